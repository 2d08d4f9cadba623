//! `sidetone tail`: the stream as it comes, for people or for programs.

mod json;
mod line;

use std::collections::BTreeMap;
use std::time::Duration;

use sidetone_consumer::{
    NoCheckpoints, Ordered, Origin, Start, Subscription, SubscriptionSettings,
};
use sidetone_delivery_wire::{Audio, Body};
use sidetone_model::{SAMPLE_RATE, Timestamp};
use sidetone_ports::{Clock, RecordSource};
use sidetone_ports_embedded::{OpenError, Stream};

use super::{existing_data, note_if_idle};
use crate::args::{ConversationStart, GlobalArgs, TailArgs, TailFrom};
use crate::failure::{Exit, Failure};
use crate::output::Output;
#[cfg(feature = "aws")]
use crate::stack::Stack;
use line::Line;

/// How much audio one line sums up.
///
/// Units: samples per channel.
const SUM_SAMPLES: u64 = SAMPLE_RATE as u64;

/// How long a read waits; also how long audio waits to be summed up.
const READ_WAIT: Duration = Duration::from_secs(1);

/// Follows the stream until Ctrl-C, or until nobody reads what is printed.
pub(crate) async fn tail(
    global: &GlobalArgs,
    args: &TailArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    sidetone_bootstrap::start_log(global.log_format(), global.log_filter("warn"));
    #[cfg(feature = "aws")]
    if let Some(stack) = Stack::named(global).await? {
        let place = format!("stack {}", stack.name());
        return until_interrupted(follow(stack.stream(args.start())?, &place, args, output)).await;
    }
    let data = existing_data(global)?;
    let place = data.path().display().to_string();
    let stream = match (Stream::open_read_only(&data.stream(), Clock::system()), &args.conversation)
    {
        (Err(OpenError::Missing { .. }), Some(conversation)) if args.once => {
            return Err(unknown(conversation, &place));
        }
        (stream, _) => stream?,
    };
    if !args.once && !note_if_idle(&data, output)? {
        output.note("waiting for `sidetone run`; Ctrl-C ends");
    }
    until_interrupted(follow(stream, &place, args, output)).await
}

fn unknown(conversation: &ConversationStart, place: &str) -> Failure {
    Failure::bad_input(format!("no conversation {conversation} in the stream of {place}"))
        .hint("without --conversation all are shown; the stream forgets them after its retention")
}

async fn until_interrupted(
    followed: impl Future<Output = Result<(), Failure>>,
) -> Result<Exit, Failure> {
    tokio::select! {
        outcome = followed => outcome?,
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(Exit::Done)
}

async fn follow<S: RecordSource>(
    source: S,
    place: &str,
    args: &TailArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let end = if args.once { Some(source.tip().await?) } else { None };
    let start = match args.start() {
        TailFrom::Start => Start::Beginning,
        TailFrom::Now => Start::Tip,
    };
    let settings = SubscriptionSettings { wait: READ_WAIT, ..SubscriptionSettings::new("tail") };
    let mut subscription = Subscription::new(source, NoCheckpoints, settings.starting(start));
    let mut printer = Printer::new(args);
    loop {
        if end.is_some_and(|end| subscription.position() >= end) {
            printer.print(&subscription.drain(), output)?;
            printer.sum_up_all(output)?;
            return printer.finish(place, output);
        }
        let batch = subscription.next().await?;
        printer.print(&batch.items, output)?;
        if batch.read == 0 {
            printer.sum_up_all(output)?;
            // Where nothing follows, the end was trimmed away.
            if end.is_some() {
                return printer.finish(place, output);
            }
        }
        output.flush()?;
    }
}

/// Audio of one origin that was not yet told of.
struct Sum {
    made_at: Timestamp,
    audio: Audio,
    frames: u64,
    end: u64,
}

struct Printer<'a> {
    args: &'a TailArgs,
    sums: BTreeMap<OriginKey, (std::sync::Arc<Origin>, Sum)>,
    /// Whether anything of the conversation that was asked for came.
    found: bool,
}

/// An origin in a form that can be ordered.
type OriginKey = (sidetone_consumer::SessionKey, sidetone_model::ConnectionId);

impl<'a> Printer<'a> {
    fn new(args: &'a TailArgs) -> Self {
        Self { args, sums: BTreeMap::new(), found: false }
    }

    fn print(&mut self, items: &[Ordered], output: &mut Output<'_>) -> Result<(), Failure> {
        for item in items {
            let conversation = item.origin().session.key.conversation;
            if self.args.conversation.as_ref().is_some_and(|start| !start.matches(conversation)) {
                continue;
            }
            self.found = true;
            if output.is_json() {
                output.json(&json::item(item, self.args.audio))?;
            } else {
                self.print_line(item, output)?;
            }
        }
        Ok(())
    }

    /// Ends at the end of the stream.
    ///
    /// Errors: bad input if the conversation that was asked for is not in it.
    fn finish(&self, place: &str, output: &mut Output<'_>) -> Result<(), Failure> {
        match &self.args.conversation {
            Some(conversation) if !self.found => Err(unknown(conversation, place)),
            Some(_) | None => output.flush(),
        }
    }

    fn print_line(&mut self, item: &Ordered, output: &mut Output<'_>) -> Result<(), Failure> {
        if let Ordered::Record(record) = item
            && let Some(Body::Audio(audio)) = &record.body
            && !self.args.frames
        {
            return self.add(item, record.made_at, audio, output);
        }
        self.sum_up(&key_of(item.origin()), output)?;
        output.line(Line::of(item).shown(output.looks().colour))
    }

    /// Keeps audio until there is enough of it, or it becomes another's.
    fn add(
        &mut self,
        item: &Ordered,
        made_at: Timestamp,
        audio: &Audio,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let key = key_of(item.origin());
        let goes_on = |sum: &Sum| {
            sum.end == audio.position
                && (&sum.audio.agent_id, sum.audio.held) == (&audio.agent_id, audio.held)
        };
        if self.sums.get(&key).is_some_and(|(_, sum)| !goes_on(sum)) {
            self.sum_up(&key, output)?;
        }
        let end = audio.position + u64::from(audio.samples);
        let (_, sum) = self.sums.entry(key.clone()).or_insert_with(|| {
            let audio = Audio { data: Default::default(), ..audio.clone() };
            (item.origin().clone(), Sum { made_at, audio, frames: 0, end })
        });
        sum.frames += 1;
        sum.end = end;
        if end.saturating_sub(sum.audio.position) >= SUM_SAMPLES {
            self.sum_up(&key, output)?;
        }
        Ok(())
    }

    fn sum_up(&mut self, key: &OriginKey, output: &mut Output<'_>) -> Result<(), Failure> {
        let Some((origin, sum)) = self.sums.remove(key) else { return Ok(()) };
        let samples = sum.end.saturating_sub(sum.audio.position);
        let line = Line::audio(&origin, sum.made_at, &sum.audio, sum.frames, samples);
        output.line(line.shown(output.looks().colour))
    }

    fn sum_up_all(&mut self, output: &mut Output<'_>) -> Result<(), Failure> {
        for key in self.sums.keys().cloned().collect::<Vec<_>>() {
            self.sum_up(&key, output)?;
        }
        Ok(())
    }
}

fn key_of(origin: &Origin) -> OriginKey {
    (origin.session, origin.connection.clone())
}

#[cfg(test)]
mod tests;
