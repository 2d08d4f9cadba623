//! `sidetone calls`: which calls there were, and which were not matched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

use comfy_table::{Table, presets};
use serde::Serialize;
use sidetone_consumer::Sidecar;
use sidetone_explain::{Cause, Explanation, Facts, GatherError, StreamFacts, explain, gather};
use sidetone_model::{ConversationId, ConversationKey, OrganizationId, Position, Timestamp};
use sidetone_ports::Clock;
use sidetone_ports_embedded::{DataDir, Store};
use tokio::task::JoinSet;

use super::existing_data;
use crate::args::{CallsArgs, GlobalArgs};
use crate::failure::{Exit, Failure};
use crate::output::{Output, printable};
use crate::platforms::asked;
use crate::suggestion::Suggestion;
use crate::table::{media_time, short};

/// How many calls are read at a time.
const READ_AT_ONCE: usize = 256;

/// How long Genesys may take to name the queues. Units: real time.
const NAMES_LIMIT: Duration = Duration::from_secs(5);

/// One call.
///
/// **Shape**: as JSON, a line of what `sidetone calls --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct CallRow {
    conversation_id: String,
    organization_id: String,
    start: String,
    agents: Vec<String>,
    queue_id: Option<String>,
    queue: Option<String>,
    length_ms: Option<u64>,
    outcome: Outcome,
    cause: String,
    recordings: Vec<String>,
    #[serde(skip)]
    start_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Matched,
    NotMatched,
    Running,
}

/// Lists calls.
pub(crate) async fn calls(
    global: &GlobalArgs,
    args: &CallsArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    sidetone_bootstrap::start_log(global.log_format(), global.log_filter("warn"));
    #[cfg(feature = "aws")]
    if global.stack.is_some() {
        return Err(Failure::bad_input(
            "calls lists the calls of a data directory, not of a stack",
        )
        .hint("`sidetone tail --from start` reads a stack's stream"));
    }
    let data = existing_data(global)?;
    let clock = Clock::system();
    let since = args.since.moment(clock.now());
    let store = Store::open(&data.store())?;
    let mut rows = from_index(&store, &clock).await?;
    from_recordings(&data.recordings(), since, &mut rows)?;
    let mut rows: Vec<CallRow> =
        rows.into_values().filter(|row| row.is_wanted(args, since)).collect();
    rows.sort_by_key(|row| row.start_at);
    name_queues(global, &data, &store, &mut rows).await;
    if output.is_json() {
        rows.iter().try_for_each(|row| output.json(row))?;
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        output.note(format_args!("no such calls since {since} in {}", data.path().display()));
        return Ok(Exit::Done);
    }
    output.line(table(&rows))?;
    if let Some(row) = rows.iter().rev().find(|row| row.outcome == Outcome::NotMatched) {
        let start: String = row.conversation_id.chars().take(8).collect();
        let command = Suggestion::new(global, &["why", &start]);
        output.note(format_args!("\n`{command}` says why"));
    }
    Ok(Exit::Done)
}

/// Reads the calls that the store has, which keeps them for a day.
async fn from_index(
    store: &Store,
    clock: &Clock,
) -> Result<BTreeMap<ConversationKey, CallRow>, Failure> {
    let (mut rows, mut reading) = (BTreeMap::new(), JoinSet::new());
    let mut keys = store.conversations(clock.now()).await?.into_iter();
    loop {
        // A call that runs is watched for a sign of life of its door; others are read meanwhile.
        let room = READ_AT_ONCE - reading.len();
        for key in keys.by_ref().filter(|key| !key.conversation.is_nil()).take(room) {
            let (store, clock) = (store.clone(), *clock);
            reading.spawn(async move {
                let facts = gather(&store, &StreamFacts::default(), key, &clock).await?;
                Ok::<_, GatherError>((key, CallRow::of_facts(key, &facts, &explain(&facts))))
            });
        }
        let Some(read) = reading.join_next().await else { return Ok(rows) };
        let read = read.map_err(|error| Failure::fault("a call was not read").because(error))?;
        if let (key, Some(row)) = read? {
            rows.insert(key, row);
        }
    }
}

/// Adds what the recordings' JSON files say; those written before `since` are not read.
fn from_recordings(
    directory: &Path,
    since: Timestamp,
    rows: &mut BTreeMap<ConversationKey, CallRow>,
) -> Result<(), Failure> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            let what = format!("cannot read {}", directory.display());
            return Err(Failure::fault(what).because(error));
        }
    };
    let micros = u64::try_from(since.as_micros()).unwrap_or(0);
    let since = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
    for entry in entries.flatten() {
        let path = entry.path();
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = written.is_ok_and(|written| written < since);
        if is_old || path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        // A file that retention removed meanwhile, or another program's, is left out.
        let Ok(text) = std::fs::read(&path) else { continue };
        let Ok(sidecar) = serde_json::from_slice::<Sidecar>(&text) else { continue };
        let (organization, conversation) = (sidecar.organization, sidecar.conversation);
        let key = ConversationKey { organization, conversation };
        let recording = sidecar.wav.clone();
        if let Some(row) = rows.get_mut(&key) {
            row.add(recording);
        } else if let Some(mut row) = CallRow::of_sidecar(key, &sidecar) {
            row.add(recording);
            rows.insert(key, row);
        }
    }
    Ok(())
}

impl CallRow {
    fn new(key: ConversationKey, start_at: Timestamp) -> Self {
        Self {
            conversation_id: key.conversation.to_string(),
            organization_id: key.organization.to_string(),
            start: start_at.to_string(),
            agents: Vec::new(),
            queue_id: None,
            queue: None,
            length_ms: None,
            outcome: Outcome::NotMatched,
            cause: String::new(),
            recordings: Vec::new(),
            start_at,
        }
    }

    fn of_facts(key: ConversationKey, facts: &Facts, explanation: &Explanation) -> Option<Self> {
        let opened = facts.sessions.iter().map(|session| session.opened_at);
        let begun = facts.legs.iter().filter_map(|leg| leg.ringing_at.or(leg.connected_at));
        let start = opened.chain(begun).min()?;
        let gone = facts.sessions.iter().filter_map(|session| session.end.map(|end| end.at));
        let ended = facts.legs.iter().filter_map(|leg| leg.ended_at);
        let runs = explanation.sessions.iter().any(|session| session.running);
        let end = gone.chain(ended).max().filter(|_| !runs);
        let agents: BTreeSet<&String> =
            explanation.legs.iter().filter_map(|leg| leg.agent_id.as_ref()).collect();
        let queue = facts.legs.iter().rev().find_map(|leg| leg.queue.as_deref());
        let outcome = if runs {
            Outcome::Running
        } else if explanation.cause == Cause::Matched {
            Outcome::Matched
        } else {
            Outcome::NotMatched
        };
        Some(Self {
            agents: agents.into_iter().cloned().collect(),
            queue_id: queue.map(str::to_owned),
            length_ms: end.map(|end| millis(end.since(start))),
            outcome,
            cause: explanation.cause.to_string(),
            ..Self::new(key, start)
        })
    }

    fn of_sidecar(key: ConversationKey, sidecar: &Sidecar) -> Option<Self> {
        let start = sidecar.started_at.as_ref()?.parse().ok()?;
        let agents: BTreeSet<String> =
            sidecar.agents.iter().map(|agent| agent.agent.to_string()).collect();
        let end: Option<Timestamp> = sidecar.end.as_ref().and_then(|end| end.at.parse().ok());
        let cause = match (&sidecar.wav, &sidecar.unmatched_reason) {
            (Some(_), _) => "matched".to_owned(),
            (None, Some(reason)) => reason.clone(),
            (None, None) => "no-agent".to_owned(),
        };
        Some(Self {
            agents: agents.into_iter().collect(),
            queue_id: sidecar.agents.iter().rev().find_map(|agent| agent.queue.clone()),
            length_ms: end.map(|end| millis(end.since(start))),
            cause,
            ..Self::new(key, start)
        })
    }

    /// Adds a recording; a call that has one was matched, however it ended.
    fn add(&mut self, recording: Option<String>) {
        let Some(recording) = recording else { return };
        self.recordings.push(recording);
        if self.outcome == Outcome::NotMatched {
            self.outcome = Outcome::Matched;
        }
    }

    fn is_wanted(&self, args: &CallsArgs, since: Timestamp) -> bool {
        let organization = args.organization.as_ref().map(OrganizationId::to_string);
        self.start_at >= since
            && organization.is_none_or(|organization| organization == self.organization_id)
            && !(args.not_matched && self.outcome != Outcome::NotMatched)
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// Asks for the queues' names where that is possible; ids stay elsewhere.
async fn name_queues(global: &GlobalArgs, data: &DataDir, store: &Store, rows: &mut [CallRow]) {
    if rows.iter().all(|row| row.queue_id.is_none()) {
        return;
    }
    let asking = async {
        let (_, platform) = asked(global, None, data, store).await.ok()?;
        platform.queues().await.ok()
    };
    let Ok(Some(queues)) = tokio::time::timeout(NAMES_LIMIT, asking).await else { return };
    let names: BTreeMap<String, String> =
        queues.into_iter().map(|queue| (queue.id, queue.name)).collect();
    for row in rows {
        row.queue = row.queue_id.as_ref().and_then(|id| names.get(id).cloned());
    }
}

fn table(rows: &[CallRow]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    table.set_header(["START UTC", "CALL", "AGENT", "QUEUE", "LENGTH", "OUTCOME"]);
    for row in rows {
        let call = row.conversation_id.parse::<ConversationId>().map(short).unwrap_or_default();
        let length = row.length_ms.map(|length| Position::ZERO.plus(Duration::from_millis(length)));
        let queue: String = match (&row.queue, &row.queue_id) {
            (Some(name), _) => name.clone(),
            (None, Some(id)) => id.chars().take(8).collect(),
            (None, None) => "-".to_owned(),
        };
        let agents = if row.agents.is_empty() { "-".to_owned() } else { row.agents.join(", ") };
        let outcome = match row.outcome {
            Outcome::Running => "running".to_owned(),
            Outcome::Matched => "matched".to_owned(),
            Outcome::NotMatched => row.cause.clone(),
        };
        let start = row.start.get(5..19).unwrap_or_default().replace('T', " ");
        let length = length.map_or_else(|| "-".to_owned(), |length| media_time(length, false));
        let cells = [start, call, agents, queue, length, outcome];
        table.add_row(cells.map(|cell| printable(&cell).into_owned()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}
