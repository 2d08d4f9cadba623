//! Conversations in a stream, found by reading it from end to end.

use std::collections::BTreeSet;
use std::time::Duration;

use indicatif::ProgressBar;
use sidetone_model::ConversationId;
use sidetone_ports::{Delivered, RecordSource, Sequence, SourceError};

use crate::args::ConversationStart;
use crate::failure::Failure;
use crate::output::Output;

/// Stream records read at a time.
const READ_MAX: usize = 1_000;
/// Conversations named in an error, at most.
const NAMED_MAX: usize = 10;

/// Returns the one conversation that begins as asked; nothing if none does.
///
/// Errors: bad input if several do.
pub(super) fn the_one(
    start: &ConversationStart,
    mut known: BTreeSet<ConversationId>,
) -> Result<Option<ConversationId>, Failure> {
    known.retain(|conversation| start.matches(*conversation));
    if known.len() <= 1 {
        return Ok(known.first().copied());
    }
    let named: Vec<String> = known.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    Err(Failure::bad_input(format!("{} conversations begin with {start}", known.len()))
        .hint(format!("give more of the id, such as {}", named.join(", "))))
}

/// Returns every conversation in the stream.
pub(super) async fn conversations<S: RecordSource>(
    stream: &S,
    output: &Output<'_>,
) -> Result<BTreeSet<ConversationId>, Failure> {
    let source = Watched::new(stream.clone(), output.progress("looking for it")).await?;
    let tip = source.tip().await?;
    let mut found = BTreeSet::new();
    let mut after = 0;
    while after < tip {
        let batch = source.read(after, READ_MAX, Duration::ZERO).await?;
        let Some(last) = batch.last() else { break };
        after = last.sequence;
        found.extend(batch.iter().map(|delivered| delivered.record.partition_key));
    }
    source.bar.finish_and_clear();
    Ok(found)
}

/// A stream that shows how far it was read.
#[derive(Debug, Clone)]
pub(super) struct Watched<S> {
    source: S,
    bar: ProgressBar,
}

impl<S: RecordSource> Watched<S> {
    pub(super) async fn new(source: S, bar: ProgressBar) -> Result<Self, Failure> {
        bar.set_length(source.tip().await?);
        Ok(Self { source, bar })
    }

    /// Returns what shows how far it was read.
    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }
}

impl<S: RecordSource> RecordSource for Watched<S> {
    async fn read(
        &self,
        after: Sequence,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<Delivered>, SourceError> {
        let batch = self.source.read(after, limit, wait).await?;
        if let Some(last) = batch.last() {
            self.bar.set_position(last.sequence);
        }
        Ok(batch)
    }

    async fn tip(&self) -> Result<Sequence, SourceError> {
        self.source.tip().await
    }
}
