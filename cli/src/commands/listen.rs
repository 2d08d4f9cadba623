//! `sidetone listen`: one conversation as a WAV file, finished or still running.

mod shelf;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::json;
use sidetone_consumer::{FoundSession, Sidecar, find_sessions};
use sidetone_model::{ConversationId, OrganizationId, Position, SessionId};
use sidetone_ports::{Clock, RecordSource};
use sidetone_ports_embedded::{OpenError, Stream};

use super::streamed::{Watched, conversations, the_one};
use super::{existing_data, note_if_idle};
use crate::args::{ConversationStart, GlobalArgs, ListenArgs};
use crate::failure::{Exit, Failure};
use crate::output::{Output, printable};
use crate::table::media_time;
use shelf::Shelf;

/// How often a running call is looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Writes the audio of a conversation.
pub(crate) async fn listen(
    global: &GlobalArgs,
    args: &ListenArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    sidetone_bootstrap::start_log(global.log_format(), global.log_filter("warn"));
    #[cfg(feature = "aws")]
    if let Some(stack) = crate::stack::Stack::named(global).await? {
        let stream = Some(stack.stream(crate::args::TailFrom::Start)?);
        let shelf = Shelf::Deployed {
            recordings: stack.recordings().clone(),
            stack: stack.name().to_owned(),
        };
        return search(Search { shelf, stream }, args, output).await;
    }
    let data = existing_data(global)?;
    let stream = match Stream::open_read_only(&data.stream(), Clock::system()) {
        Ok(stream) => Some(stream),
        // Recordings may have been copied here without their stream.
        Err(OpenError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    search(Search { shelf: Shelf::Here(data), stream }, args, output).await
}

async fn search<S: RecordSource>(
    search: Search<S>,
    args: &ListenArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let conversation = search.conversation(&args.conversation, output).await?;
    let mut sessions = search.sessions(conversation, output).await?;
    while args.wait && sessions.iter().any(Found::is_running) {
        // A call whose process is gone never ends.
        if let Shelf::Here(data) = &search.shelf
            && !note_if_idle(data, output)?
        {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        sessions = search.sessions(conversation, output).await?;
    }
    let sessions = of_one_organization(sessions, args.organization, conversation)?;
    let (chosen, others) = choose(sessions, args.session, conversation)?;
    chosen.write(&search.shelf, &args.output).await?;
    tell(&chosen, &others, conversation, &args.output, output)?;
    Ok(Exit::Done)
}

/// Where audio is looked for.
struct Search<S> {
    shelf: Shelf,
    stream: Option<S>,
}

/// A session of the conversation, and where its audio is.
struct Found<S> {
    organization: OrganizationId,
    session: SessionId,
    /// Absent where a recording has none that can be read.
    sidecar: Option<Sidecar>,
    place: Place<S>,
}

enum Place<S> {
    /// A finished recording, by its name.
    Recording(String),
    /// The stream, and what shows how far it is read.
    Stream(Box<FoundSession<Watched<S>>>, ProgressBar),
}

impl<S: RecordSource> Search<S> {
    /// Returns the one conversation that begins as asked.
    async fn conversation(
        &self,
        start: &ConversationStart,
        output: &Output<'_>,
    ) -> Result<ConversationId, Failure> {
        if let Some(conversation) = start.whole() {
            return Ok(conversation);
        }
        let recorded = self.shelf.recordings(&start.to_string()).await?;
        let mut fitting: BTreeSet<ConversationId> =
            recorded.into_iter().map(|(key, _)| key.conversation).collect();
        if let Some(stream) = &self.stream {
            fitting.extend(conversations(stream, output).await?);
        }
        the_one(start, fitting)?.ok_or_else(|| self.shelf.unknown(start))
    }

    /// Returns the sessions of a conversation; where there is a recording, that.
    async fn sessions(
        &self,
        conversation: ConversationId,
        output: &Output<'_>,
    ) -> Result<Vec<Found<S>>, Failure> {
        let mut found = BTreeMap::new();
        if let Some(stream) = &self.stream {
            let source = Watched::new(stream.clone(), output.progress("reading the call")).await?;
            for one in find_sessions(&source, conversation).await? {
                let organization = one.organization();
                let (session, sidecar) = (one.session(), Some(one.sidecar()));
                let place = Place::Stream(Box::new(one), source.bar());
                found.insert(
                    (organization, session),
                    Found { organization, session, sidecar, place },
                );
            }
            source.bar().finish_and_clear();
        }
        for (key, session) in self.shelf.recordings(&conversation.to_string()).await? {
            let name = sidetone_consumer::recording_name(key, session);
            let sidecar = self.shelf.read(&format!("{name}.json")).await?;
            let sidecar = sidecar.and_then(|text| serde_json::from_slice(&text).ok());
            let place = Place::Recording(format!("{name}.wav"));
            let organization = key.organization;
            found.insert((organization, session), Found { organization, session, sidecar, place });
        }
        if found.is_empty() {
            return Err(self.shelf.unknown(&conversation));
        }
        Ok(found.into_values().collect())
    }
}

impl<S: RecordSource> Found<S> {
    fn is_running(&self) -> bool {
        self.sidecar.as_ref().is_some_and(|sidecar| sidecar.end.is_none())
    }

    fn has_audio(&self) -> bool {
        match &self.place {
            Place::Recording(_) => true,
            Place::Stream(found, _) => found.has_audio(),
        }
    }

    /// Returns how long its audio is, in samples.
    fn length(&self) -> u64 {
        let bounds =
            self.sidecar.as_ref().and_then(|one| Some((one.start_position?, one.end_position?)));
        bounds.map_or(0, |(start, end)| end.saturating_sub(start))
    }

    /// Returns the agents who talk, each once, in order.
    fn agents(&self) -> Vec<String> {
        let mut agents: Vec<String> = Vec::new();
        for agent in self.sidecar.iter().flat_map(|sidecar| &sidecar.agents) {
            if !agents.iter().any(|known| known == agent.agent.as_str()) {
                agents.push(agent.agent.to_string());
            }
        }
        agents
    }

    /// Writes the audio beside its place first, so that a file of that name is whole.
    async fn write(&self, shelf: &Shelf, path: &Path) -> Result<(), Failure> {
        let failed =
            |error| Failure::fault(format!("cannot write {}", path.display())).because(error);
        let Some(name) = path.file_name() else {
            return Err(Failure::bad_input(format!("{} is no file name", path.display())));
        };
        let mut part = name.to_os_string();
        part.push(".part");
        let part = path.with_file_name(part);
        let written = match &self.place {
            Place::Recording(name) => shelf.copy(name, &part).await,
            Place::Stream(found, bar) => {
                bar.reset();
                bar.set_message("writing");
                let written = found.write_wav(&part).await.map_err(Failure::from);
                bar.finish_and_clear();
                written
            }
        };
        let written = written.and_then(|()| std::fs::rename(&part, path).map_err(failed));
        if written.is_err() {
            // What could not be written may not be removable either.
            let _ = std::fs::remove_file(&part);
        }
        written
    }
}

/// Leaves the sessions of one organization: two may have a conversation of the same id.
fn of_one_organization<S>(
    mut sessions: Vec<Found<S>>,
    named: Option<OrganizationId>,
    conversation: ConversationId,
) -> Result<Vec<Found<S>>, Failure> {
    if let Some(named) = named {
        sessions.retain(|one| one.organization == named);
        if sessions.is_empty() {
            let what = format!("organization {named} has no conversation {conversation}");
            return Err(Failure::bad_input(what));
        }
    }
    let ids: BTreeSet<_> = sessions.iter().map(|one| one.organization).collect();
    if ids.len() > 1 {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let what = format!("several organizations have conversation {conversation}");
        return Err(Failure::bad_input(what)
            .hint(format!("name one with --organization: {}", ids.join(", "))));
    }
    Ok(sessions)
}

/// Returns the session to write, and the others that have audio.
fn choose<S: RecordSource>(
    sessions: Vec<Found<S>>,
    named: Option<SessionId>,
    conversation: ConversationId,
) -> Result<(Found<S>, Vec<SessionId>), Failure> {
    let reason = sessions.iter().find_map(reason);
    let running = sessions.iter().any(Found::is_running);
    let known: Vec<String> = sessions.iter().map(|one| one.session.to_string()).collect();
    let fits = |one: &Found<S>| named.is_none_or(|named| one.session == named);
    if !sessions.iter().any(fits) {
        return Err(Failure::bad_input(format!("conversation {conversation} has no such session"))
            .hint(format!("it has {}", known.join(", "))));
    }
    let (mut fitting, others): (Vec<Found<S>>, Vec<Found<S>>) =
        sessions.into_iter().filter(Found::has_audio).partition(fits);
    fitting.sort_by_key(|one| std::cmp::Reverse(one.length()));
    let mut fitting = fitting.into_iter();
    let Some(chosen) = fitting.next() else {
        let why = reason.map(|reason| format!(": {}", printable(&reason))).unwrap_or_default();
        let what = format!("conversation {conversation} has no audio{why}");
        let hint = if running {
            "the call still runs; try again once an agent of yours is on it"
        } else {
            "nothing was delivered, as no agent of yours was on the call"
        };
        return Err(Failure::fault(what).hint(hint));
    };
    Ok((chosen, fitting.chain(others).map(|one| one.session).collect()))
}

fn reason<S>(found: &Found<S>) -> Option<String> {
    found.sidecar.as_ref().and_then(|sidecar| sidecar.unmatched_reason.clone())
}

fn tell<S: RecordSource>(
    chosen: &Found<S>,
    others: &[SessionId],
    conversation: ConversationId,
    path: &Path,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let length = Position::from_samples(chosen.length());
    let running = chosen.is_running();
    if output.is_json() {
        return output.json(&json!({
            "conversation_id": conversation,
            "session_id": chosen.session,
            "file": path,
            "length_ms": length.as_millis(),
            "agents": chosen.agents(),
            "running": running,
            "other_session_ids": others,
        }));
    }
    let agents = chosen.agents().join(", ");
    let agents = if agents.is_empty() { "no agent".to_owned() } else { agents };
    output.line(format_args!(
        "{}: {} of {conversation}; left the customer, right {}",
        path.display(),
        media_time(length, false),
        printable(&agents),
    ))?;
    if running {
        output.note("the call still runs; this is what there is by now (--wait waits for its end)");
    }
    for other in others {
        output.note(format_args!("there is more audio in --session {other}"));
    }
    Ok(())
}
