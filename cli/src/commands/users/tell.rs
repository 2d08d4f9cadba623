//! What was changed, or would be, for people and for machines.

use std::borrow::Cow;

use serde_json::{Value, json};
use sidetone_model::{AgentId, User};
use sidetone_ports::{Revision, UserChange};
use sidetone_user_file::{COLUMNS, FieldError, Fields};
use sidetone_users::{ChangeKind, Outcome};

use super::counted;
use super::place::Place;
use crate::args::GlobalArgs;
use crate::failure::Failure;
use crate::output::{Output, printable};

/// How many lines a person is shown; the rest is counted.
const LINES_MAX: usize = 100;

/// Tells of every change.
pub(super) fn tell(
    global: &GlobalArgs,
    place: &Place,
    outcome: &Outcome,
    dry_run: bool,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    if output.is_json() {
        return output.json(&outcome_json(global, place, outcome, dry_run, true));
    }
    lines(outcome.difference.changes.iter().map(line), output)?;
    summary(global, place, outcome, dry_run, output);
    Ok(())
}

/// Tells a person a list, and how much longer it is.
pub(super) fn lines(
    mut lines: impl ExactSizeIterator<Item = String>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    for line in lines.by_ref().take(LINES_MAX) {
        output.line(line)?;
    }
    match lines.len() {
        0 => Ok(()),
        more => output.line(format_args!("… and {more} more; --json shows all")),
    }
}

/// Tells a person whose username changed, as it may be another one's.
pub(super) fn other_usernames(outcome: &Outcome, output: &mut Output<'_>) {
    for agent in outcome.difference.other_usernames() {
        output.note(format_args!(
            "{}: had another username until now; if these are two people, give one of them a \
             telephony agent id of their own",
            printable(agent.as_str()),
        ));
    }
}

/// Warns of users who were added or changed, and to whom no call will be matched.
pub(super) fn doubts(outcome: &Outcome, output: &mut Output<'_>) {
    for (agent, doubt) in outcome.doubts() {
        let agent = printable(agent.as_str());
        output.note(format_args!("warning: {agent}: {}", printable(&doubt.shown())));
    }
}

/// Returns the command that undoes a change, of exactly these users.
fn undo(global: &GlobalArgs, place: &Place, revision: Revision) -> String {
    global.command(&["users", "undo", &revision.to_string()], Some(place.organization))
}

/// Tells a person how many changes there are, and how they are undone.
pub(super) fn summary(
    global: &GlobalArgs,
    place: &Place,
    outcome: &Outcome,
    dry_run: bool,
    output: &mut Output<'_>,
) {
    let counts = outcome.difference.counts();
    output.note(format_args!(
        "{} added, {} changed, {} moved, {} removed; {} as before{}",
        counts.added,
        counts.changed,
        counts.moved,
        counts.removed,
        counts.unchanged,
        if dry_run { "; dry run: nothing was changed" } else { "" },
    ));
    let absent = outcome.difference.absent.len();
    if absent > 0 {
        output.note(format_args!("{} not in the file: kept", counted(absent)));
    }
    if let Some(revision) = outcome.revision {
        output.note(format_args!("undo it with: {}", undo(global, place, revision)));
    }
}

/// Tells a machine.
pub(super) fn outcome_json(
    global: &GlobalArgs,
    place: &Place,
    outcome: &Outcome,
    dry_run: bool,
    with_changes: bool,
) -> Value {
    let difference = &outcome.difference;
    let mut told = json!({
        "organization": place.named(),
        "dry_run": dry_run,
        "change": outcome.revision,
        "undo": outcome.revision.map(|revision| undo(global, place, revision)),
        "counts": difference.counts(),
        "absent": difference.absent,
        "other_username": difference.other_usernames().collect::<Vec<_>>(),
        "doubts": outcome.doubts().map(doubt_json).collect::<Vec<_>>(),
    });
    if with_changes {
        told["changes"] = difference.changes.iter().map(change_json).collect();
    }
    told
}

fn doubt_json((agent, doubt): (&AgentId, FieldError)) -> Value {
    json!({ "agent": agent, "field": doubt.column, "reason": doubt.reason })
}

/// Writes one change.
pub(super) fn change_json(change: &UserChange) -> Value {
    json!({
        "kind": ChangeKind::of(change),
        "agent": change.agent,
        "before": change.before,
        "after": change.after,
    })
}

/// Writes one change in a line: what it is, whose, and every field that differs.
pub(super) fn line(change: &UserChange) -> String {
    let kind = ChangeKind::of(change).as_str();
    let what = match (&change.before, &change.after) {
        (Some(before), Some(after)) => differing(before, after),
        (Some(user), None) | (None, Some(user)) => {
            format!("{}, {}", printable(user.name.reveal()), user.adaptor.as_str())
        }
        (None, None) => String::new(),
    };
    format!("{kind:<8} {}  {what}", printable(change.agent.as_str()))
}

fn differing(before: &User, after: &User) -> String {
    let fields = Fields::of(before).in_order().into_iter().zip(Fields::of(after).in_order());
    let differing = COLUMNS.into_iter().zip(fields).filter(|(_, (old, new))| old != new);
    let each =
        differing.map(|(column, (old, new))| format!("{column}: {} -> {}", shown(old), shown(new)));
    each.collect::<Vec<_>>().join(", ")
}

fn shown(field: &str) -> Cow<'_, str> {
    if field.is_empty() { Cow::Borrowed("nothing") } else { printable(field) }
}
