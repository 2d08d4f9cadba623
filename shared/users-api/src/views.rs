//! What requests and answers hold, as `openapi.json` describes it.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use sidetone_model::{AgentId, User};
use sidetone_ports::{ChangeWay, HistoryEntry, HistoryPage, Revision, UserChange};
use sidetone_user_file::{FieldError, Fields, ReadOptions};
use sidetone_users::{ChangeKind, Counts, Findings, Outcome, Removals, Synced};

use crate::problem::Problem;

/// A page of users.
#[derive(Debug, Serialize)]
pub(crate) struct UserPage {
    pub(crate) users: Vec<User>,
    /// After whom the next page begins, if there may be one.
    pub(crate) next: Option<AgentId>,
}

/// Which users.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    pub(crate) limit: Option<usize>,
    pub(crate) after: Option<String>,
    pub(crate) find: Option<String>,
}

/// What part of the history.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryParameters {
    pub(crate) limit: Option<usize>,
    pub(crate) before: Option<String>,
    pub(crate) agent: Option<String>,
}

/// Whether a change is only tried.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TryQuery {
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// How a file is imported.
#[derive(Debug, Default)]
pub(crate) struct ImportQuery {
    pub(crate) dry_run: bool,
    pub(crate) replace: bool,
    pub(crate) removals: Removals,
    pub(crate) options: ReadOptions,
}

impl ImportQuery {
    /// Reads the parameters, of which `map` may be there several times.
    pub(crate) fn of(parameters: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut query = Self::default();
        for (name, value) in parameters {
            match name.as_str() {
                "dry_run" => query.dry_run = parsed(&name, &value)?,
                "replace" => query.replace = parsed(&name, &value)?,
                "confirm_removals" => query.removals = Removals::UpTo(parsed(&name, &value)?),
                "ignore_unknown" => query.options.ignore_unknown = parsed(&name, &value)?,
                "map" => query.options.mappings.push(parsed(&name, &value)?),
                "encoding" => query.options.encoding = Some(parsed(&name, &value)?),
                _ => return Err(Problem::parameter(&name, "is not documented")),
            }
        }
        Ok(query)
    }
}

fn parsed<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|error: T::Err| Problem::parameter(name, error.to_string()))
}

/// How a file is exported.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportQuery {
    #[serde(default)]
    pub(crate) excel: bool,
}

/// Reads a field that is there: `null` is no value of it, and nothing but absence leaves it as
/// it is.
///
/// Errors: what reading the value says, also of `null`.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A user as somebody sends one; what is absent stays, or is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UserFields {
    #[serde(deserialize_with = "present")]
    agent: Option<String>,
    #[serde(deserialize_with = "present")]
    name: Option<String>,
    #[serde(deserialize_with = "present")]
    username: Option<String>,
    #[serde(deserialize_with = "present")]
    adaptor: Option<String>,
    #[serde(deserialize_with = "present")]
    team: Option<String>,
    #[serde(deserialize_with = "present")]
    supervisor: Option<String>,
    #[serde(deserialize_with = "present")]
    site: Option<String>,
    #[serde(deserialize_with = "present")]
    status: Option<String>,
}

impl UserFields {
    /// Returns whether a key is among the fields.
    pub(crate) const fn names_an_agent(&self) -> bool {
        self.agent.is_some()
    }

    /// Puts them over those of a user who stands, or over nothing.
    pub(crate) fn over<'a>(&'a self, stands: Fields<'a>) -> Fields<'a> {
        fn or<'a>(given: Option<&'a str>, stands: &'a str) -> &'a str {
            given.unwrap_or(stands)
        }
        Fields {
            telephony_agent_id: or(self.agent.as_deref(), stands.telephony_agent_id),
            name: or(self.name.as_deref(), stands.name),
            email: or(self.username.as_deref(), stands.email),
            adaptor: or(self.adaptor.as_deref(), stands.adaptor),
            team: or(self.team.as_deref(), stands.team),
            supervisor: or(self.supervisor.as_deref(), stands.supervisor),
            site: or(self.site.as_deref(), stands.site),
            status: or(self.status.as_deref(), stands.status),
        }
    }
}

/// What was changed, or would be, as the API and the bucket tell it.
#[derive(Debug, Serialize)]
pub struct OutcomeView {
    dry_run: bool,
    /// The number of the change, by which it can be undone; absent if nothing changed.
    change: Option<Revision>,
    counts: Counts,
    /// Who stands, was not named, and stays.
    absent: Vec<AgentId>,
    /// Whose username is another than it was.
    other_username: Vec<AgentId>,
    /// Who was added or changed, and no call will be matched to.
    doubts: Vec<DoubtView>,
    /// The columns of a file that were left out, in its own words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored_columns: Vec<String>,
    changes: Vec<ChangeView>,
}

impl OutcomeView {
    pub(crate) fn new(outcome: Outcome, dry_run: bool) -> Self {
        let doubt = |(agent, doubt): (&AgentId, FieldError)| DoubtView {
            agent: agent.clone(),
            field: doubt.column,
            reason: doubt.reason,
        };
        let doubts = outcome.doubts().map(doubt).collect();
        let difference = outcome.difference;
        Self {
            doubts,
            ignored_columns: Vec::new(),
            dry_run,
            change: outcome.revision,
            counts: difference.counts(),
            other_username: difference.other_usernames().cloned().collect(),
            absent: difference.absent,
            changes: difference.changes.into_iter().map(ChangeView::new).collect(),
        }
    }

    /// Returns the same, of a file whose columns were left out.
    pub(crate) fn ignoring(self, ignored_columns: Vec<String>) -> Self {
        Self { ignored_columns, ..self }
    }

    /// Returns how many users became what.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Returns the number of the change; nothing if nothing changed.
    pub const fn change(&self) -> Option<Revision> {
        self.change
    }
}

/// Whom to bring up to date from Genesys, and how.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SyncRequest {
    pub(crate) queues: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) divisions: Vec<String>,
    pub(crate) dry_run: bool,
    pub(crate) remove_vanished: bool,
    pub(crate) confirm_removals: Option<usize>,
}

/// What a sync changed, or would, and what it found beside that.
#[derive(Debug, Serialize)]
pub(crate) struct SyncView {
    #[serde(flatten)]
    outcome: OutcomeView,
    #[serde(flatten)]
    findings: Findings,
}

impl SyncView {
    pub(crate) fn new(synced: Synced, dry_run: bool) -> Self {
        let outcome = OutcomeView::new(synced.outcome, dry_run);
        Self { outcome, findings: synced.findings }
    }
}

#[derive(Debug, Serialize)]
struct DoubtView {
    agent: AgentId,
    field: &'static str,
    reason: String,
}

#[derive(Debug, Serialize)]
struct ChangeView {
    kind: ChangeKind,
    #[serde(flatten)]
    change: UserChange,
}

impl ChangeView {
    fn new(change: UserChange) -> Self {
        Self { kind: ChangeKind::of(&change), change }
    }
}

/// A page of history.
#[derive(Debug, Serialize)]
pub(crate) struct HistoryView {
    history: Vec<EntryView>,
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct EntryView {
    change: Revision,
    at: String,
    by: String,
    way: ChangeWay,
    kind: ChangeKind,
    agent: AgentId,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<std::sync::Arc<User>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<std::sync::Arc<User>>,
}

impl HistoryView {
    pub(crate) fn new(page: HistoryPage) -> Self {
        let entry = |entry: HistoryEntry| EntryView {
            change: entry.revision,
            at: entry.origin.at.to_string(),
            by: entry.origin.by,
            way: entry.origin.way,
            kind: ChangeKind::of(&entry.change),
            agent: entry.change.agent,
            before: entry.change.before,
            after: entry.change.after,
        };
        Self {
            history: page.entries.into_iter().map(entry).collect(),
            next: page.next.map(|next| next.to_string()),
        }
    }
}
