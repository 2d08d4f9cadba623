//! Who changed what: a line for each change, or for each user of it.

use serde_json::json;
use sidetone_model::AgentId;
use sidetone_ports::{ChangeOrigin, HistoryEntry, HistoryPlace, HistoryQuery, Revision, UserStore};
use sidetone_users::ChangeKind;

use super::place::{Place, Use, open};
use super::tell::{change_json, line};
use crate::args::{GlobalArgs, HistoryArgs};
use crate::failure::{Exit, Failure};
use crate::output::{Output, printable};

/// How many entries are read at once.
const PAGE_ENTRIES: usize = 500;

/// Shows who changed what.
pub(super) async fn history(
    global: &GlobalArgs,
    args: &HistoryArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let place = open(global, &args.scope, Use::Existing, output).await?;
    if !args.pager.no_pager {
        output.page();
    }
    let more = if args.details || args.agent.is_some() || args.change.is_some() {
        details(&place, args, output).await?
    } else {
        changes(&place, args, output).await?
    };
    if let Some(more) = more {
        let (limit, more) = (args.limit.to_string(), more.to_string());
        let mut words = vec!["users", "history"];
        words.extend(args.agent.as_ref().map(AgentId::as_str));
        words.extend(args.details.then_some("--details"));
        words.extend(["--limit", &limit, "--before", &more]);
        let next = global.command(&words, Some(place.organization));
        output.note(format_args!("there is more: {next}"));
    }
    Ok(Exit::Done)
}

/// One change, however many users it concerned.
struct Change {
    revision: Revision,
    origin: ChangeOrigin,
    /// By kind, in the order of [`ChangeKind::ALL`].
    counts: [usize; ChangeKind::ALL.len()],
    /// What changed, if it concerned one user.
    only: Option<String>,
}

impl Change {
    fn of(entry: &HistoryEntry) -> Self {
        let counts = [0; ChangeKind::ALL.len()];
        Self { revision: entry.revision, origin: entry.origin.clone(), counts, only: None }
    }

    fn take(&mut self, entry: &HistoryEntry) {
        let is_first = self.counts.iter().sum::<usize>() == 0;
        self.only = is_first.then(|| line(&entry.change));
        let kind = ChangeKind::of(&entry.change);
        for (count, one) in self.counts.iter_mut().zip(ChangeKind::ALL) {
            *count += usize::from(one == kind);
        }
    }

    fn what(&self) -> String {
        if let Some(only) = &self.only {
            return only.clone();
        }
        let counts = self.counts.iter().zip(ChangeKind::ALL).filter(|(count, _)| **count > 0);
        let counts: Vec<_> =
            counts.map(|(count, kind)| format!("{count} {}", kind.as_str())).collect();
        counts.join(", ")
    }
}

/// Shows a line for each change; returns where the next page begins, if there is one.
async fn changes(
    place: &Place,
    args: &HistoryArgs,
    output: &mut Output<'_>,
) -> Result<Option<HistoryPlace>, Failure> {
    let limit = usize::from(args.limit.get());
    let mut query = HistoryQuery { agent: None, before: args.before.clone(), limit: PAGE_ENTRIES };
    let mut changes: Vec<Change> = Vec::new();
    let mut is_more = false;
    'pages: loop {
        let page = place.store.user_history(place.organization, &query).await?;
        for entry in &page.entries {
            if changes.last().is_none_or(|last| last.revision != entry.revision) {
                is_more = changes.len() == limit;
                if is_more {
                    break 'pages;
                }
                changes.push(Change::of(entry));
            }
            if let Some(change) = changes.last_mut() {
                change.take(entry);
            }
        }
        match page.next {
            Some(next) => query.before = Some(next),
            None => break,
        }
    }
    let next = changes.last().filter(|_| is_more).map(|last| last.revision);
    let next = next.map(|revision| HistoryPlace { revision, agent: AgentId::new("") });
    if output.is_json() {
        let changes: Vec<_> = changes.iter().map(change_of_many_json).collect();
        let next = next.map(|next| next.to_string());
        let organization = place.organization;
        output.json(&json!({ "organization": organization, "changes": changes, "next": next }))?;
        return Ok(None);
    }
    for change in &changes {
        output.line(heading(change.revision, &change.origin) + &change.what())?;
    }
    if changes.is_empty() {
        output.note("nothing was changed yet");
    }
    Ok(next)
}

/// Shows what changed of each user; returns where the next page begins, if there is one.
async fn details(
    place: &Place,
    args: &HistoryArgs,
    output: &mut Output<'_>,
) -> Result<Option<HistoryPlace>, Failure> {
    // Everything of a change is before the first place of the next one.
    let after = |revision: Revision| HistoryPlace {
        revision: revision.saturating_add(1),
        agent: AgentId::new(""),
    };
    let query = HistoryQuery {
        agent: args.agent.clone(),
        before: args.before.clone().or(args.change.map(after)),
        limit: usize::from(args.limit.get()),
    };
    let mut page = place.store.user_history(place.organization, &query).await?;
    if let Some(change) = args.change {
        let entries = page.entries.len();
        page.entries.retain(|entry| entry.revision == change);
        page.next = page.next.filter(|_| page.entries.len() == entries);
    }
    if output.is_json() {
        let entries: Vec<_> = page.entries.iter().map(entry_json).collect();
        output.json(&json!({
            "organization": place.organization,
            "history": entries,
            "next": page.next.map(|next| next.to_string()),
        }))?;
        return Ok(None);
    }
    for HistoryEntry { revision, origin, change } in &page.entries {
        output.line(heading(*revision, origin) + &line(change))?;
    }
    if page.entries.is_empty() {
        output.note("nothing was changed");
    }
    Ok(page.next)
}

fn heading(revision: Revision, origin: &ChangeOrigin) -> String {
    let (at, way, by) = (origin.at, origin.way.as_str(), printable(&origin.by));
    format!("{at}  change {revision}  {way} by {by}  ")
}

fn change_of_many_json(change: &Change) -> serde_json::Value {
    let counts = ChangeKind::ALL.into_iter().zip(change.counts);
    let counts: serde_json::Map<_, _> =
        counts.map(|(kind, count)| (kind.as_str().to_owned(), json!(count))).collect();
    json!({
        "change": change.revision,
        "at": change.origin.at.to_string(),
        "by": change.origin.by,
        "way": change.origin.way,
        "counts": counts,
    })
}

fn entry_json(entry: &HistoryEntry) -> serde_json::Value {
    let mut told = change_json(&entry.change);
    told["change"] = json!(entry.revision);
    told["at"] = json!(entry.origin.at.to_string());
    told["by"] = json!(entry.origin.by);
    told["way"] = json!(entry.origin.way);
    told
}
