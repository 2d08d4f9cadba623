//! `sidetone users sync`: users as Genesys Cloud has them.

use sidetone_model::{AgentId, People, UserId};
use sidetone_ports::ChangeWay;
use sidetone_tracking::{PeopleError, PeopleScope, PlatformClient, Step};
use sidetone_users::{Absent, Collision, Findings, KnownOtherwise, Synced, Unusable, Users};

use super::change::{confirming, intent};
use super::place::{Place, open_asking};
use super::tell::{doubts, line, lines, other_usernames, outcome_json, summary};
use crate::args::{GlobalArgs, SyncArgs};
use crate::commands::origin;
use crate::failure::{Exit, Failure};
use crate::output::{Output, printable};

/// Adds and updates users as Genesys Cloud has them.
pub(super) async fn sync(
    global: &GlobalArgs,
    args: &SyncArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    sidetone_bootstrap::start_log(global.log_format(), global.log_filter("warn"));
    let (place, platform) = open_asking(global, args.organization, !args.dry_run).await?;
    let people = people(&platform, &place, args, output).await?;
    let origin = origin(ChangeWay::Sync);
    let intent = intent(args.dry_run, &origin);
    let users = Users::new(place.store.clone());
    let synced = confirming(args.yes, output, async |removals| {
        let vanished = if args.remove_vanished { Absent::Remove(removals) } else { Absent::Stay };
        users.sync(place.organization, &people, vanished, intent).await
    })
    .await?;
    tell(global, &place, &synced, args, output)?;
    Ok(Exit::Done)
}

async fn people(
    platform: &PlatformClient,
    place: &Place,
    args: &SyncArgs,
    output: &Output<'_>,
) -> Result<People, Failure> {
    let scope = PeopleScope {
        queues: args.queues.clone(),
        groups: args.groups.clone(),
        divisions: args.divisions.clone(),
    };
    let bar = output.progress("reading from Genesys");
    let watch = |Step { what, done, of }: Step| {
        bar.set_message(format!("reading {what}"));
        bar.set_length(u64::try_from(of).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    };
    let people = platform.people(place.organization, &scope, &watch).await;
    bar.finish_and_clear();
    Ok(people?)
}

fn tell(
    global: &GlobalArgs,
    place: &Place,
    synced: &Synced,
    args: &SyncArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let Synced { outcome, findings } = synced;
    if output.is_json() {
        let mut told = outcome_json(global, place, outcome, args.dry_run, true);
        let found = serde_json::to_value(findings)
            .map_err(|error| Failure::fault("cannot write what was found").because(error))?;
        if let (Some(told), serde_json::Value::Object(found)) = (told.as_object_mut(), found) {
            told.extend(found);
        }
        return output.json(&told);
    }
    lines(outcome.difference.changes.iter().map(line), output)?;
    tell_findings(findings, output)?;
    other_usernames(outcome, output);
    doubts(outcome, output);
    let Findings { listed, looked_at, vanished, .. } = findings;
    output.note(format_args!("looked at {looked_at} of {listed} active Genesys users"));
    summary(global, place, outcome, args.dry_run, output);
    if !vanished.is_empty() && !args.remove_vanished {
        let count = vanished.len();
        output.note(format_args!("{count} vanished and stay; --remove-vanished removes them"));
    }
    Ok(())
}

fn tell_findings(findings: &Findings, output: &mut Output<'_>) -> Result<(), Failure> {
    lines(findings.collisions.iter().map(collision), output)?;
    lines(findings.known_otherwise.iter().map(known_otherwise), output)?;
    lines(findings.unusable.iter().map(unusable), output)?;
    let vanished = |agent: &AgentId| {
        format!("vanished {}  is no active Genesys user", printable(agent.as_str()))
    };
    lines(findings.vanished.iter().map(vanished), output)
}

fn collision(Collision { agent, users }: &Collision) -> String {
    let users: Vec<_> = users.iter().map(UserId::to_string).collect();
    format!("shared   {}  by Genesys users {}", printable(agent.as_str()), users.join(", "))
}

fn known_otherwise(known: &KnownOtherwise) -> String {
    let KnownOtherwise { user_id, agent, stands_as } = known;
    let stands_as: Vec<_> = stands_as.iter().map(|agent| printable(agent.as_str())).collect();
    let (agent, stands_as) = (printable(agent.as_str()), stands_as.join(", "));
    format!("known    {agent}  Genesys user {user_id} stands here as {stands_as}")
}

fn unusable(Unusable { user_id, reasons }: &Unusable) -> String {
    format!("unusable Genesys user {user_id}  {}", reasons.join("; "))
}

impl From<PeopleError> for Failure {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Platform(error) => error.into(),
            error @ (PeopleError::NoSuch { .. } | PeopleError::Several { .. }) => {
                Self::bad_input(error.to_string())
                    .hint("only what the OAuth client's role may see can be named")
            }
            error @ PeopleError::Nobody => Self::fault(error.to_string()).hint(
                "nothing was changed; give the OAuth client's role Directory > User > View in \
                 all divisions of your agents",
            ),
        }
    }
}
