//! What is in the deployed stream.

use std::collections::HashSet;
use std::time::Duration;

use sidetone_consumer::{Origin, Record, decode};
use sidetone_delivery_wire::{Audio, Body};
use sidetone_model::SessionId;
use sidetone_ports::RecordSource;
use sidetone_ports_aws::Begin;
use sidetone_tests_aws::Stack;

use crate::world::World;

/// Records read at a time.
const READ_MAX: usize = 1_000;

/// Everything in a stream, each record once.
pub(crate) struct Ledger {
    records: Vec<Record>,
}

impl Ledger {
    /// Reads a stack's stream from its beginning to its end.
    pub(crate) async fn read(world: &World, stack: &Stack) -> Self {
        let name = stack.output("StreamName").expect("an output");
        let source = world.aws.source(name, Begin::Horizon);
        let tip = source.tip().await.expect("readable");
        let (mut after, mut records) = (0, Vec::new());
        while after < tip {
            let some = source.read(after, READ_MAX, Duration::from_secs(5)).await;
            let some = some.expect("readable");
            let Some(last) = some.last() else { break };
            after = last.sequence;
            for delivered in &some {
                records.extend(decode(delivered).expect("written by this schema"));
            }
        }
        let mut seen = HashSet::new();
        records.retain(|record| seen.insert((record.origin.clone(), record.number)));
        Self { records }
    }

    /// Returns what a session's door said of it, in order of its numbers.
    pub(crate) fn of(&self, session: SessionId) -> Vec<&Body> {
        let own = |record: &&Record| record.origin.session.session == Some(session);
        let mut records: Vec<_> = self.records.iter().filter(own).collect();
        records.sort_by_key(|record| record.number);
        records.into_iter().filter_map(|record| record.body.as_ref()).collect()
    }

    /// Returns what records of a session come from.
    pub(crate) fn origins(&self, session: SessionId) -> impl Iterator<Item = &Origin> {
        let all = self.records.iter().map(|record| &*record.origin);
        all.filter(move |origin| origin.session.session == Some(session))
    }

    /// Returns a session's audio, in order.
    pub(crate) fn audio(&self, session: SessionId) -> Vec<&Audio> {
        let audio = self.of(session).into_iter().filter_map(|body| {
            let Body::Audio(audio) = body else { return None };
            Some(audio)
        });
        audio.collect()
    }
}
