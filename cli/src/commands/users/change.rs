//! The commands that change users, each of which can also only say what it would change.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use sidetone_model::{Adaptor, User, UserStatus};
use sidetone_ports::{ChangeOrigin, ChangeWay};
use sidetone_user_file::{Fields, FileError, read};
use sidetone_users::{Absent, Intent, Outcome, Users, UsersError};

use super::place::{Either, Place, open};
use super::tell::{other_usernames, outcome_json, tell};
use super::{SAMPLE_HINT, counted};
use crate::args::{
    FieldArgs, GlobalArgs, ImportArgs, MoveArgs, NewUserArgs, RemoveArgs, SetUserArgs, UndoArgs,
};
use crate::commands::origin;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Adds or replaces the users of a file.
pub(super) async fn import(
    global: &GlobalArgs,
    args: &ImportArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let started = Instant::now();
    let file = if args.file == Path::new("-") {
        read(io::stdin().lock())
    } else {
        let file = File::open(&args.file).map_err(|error| {
            Failure::bad_input(format!("cannot read {}", args.file.display())).because(error)
        })?;
        read(file)
    };
    let users: Vec<_> = file.map_err(refusal)?.users.into_iter().map(Arc::new).collect();
    if users.is_empty() {
        return Err(Failure::bad_input("the file has no users").hint(SAMPLE_HINT));
    }
    let place = open(global, &args.scope, !args.dry_run, output).await?;
    let absent = if args.replace { Absent::Remove } else { Absent::Stay };
    let origin = origin(ChangeWay::File);
    let intent = intent(args.dry_run, &origin);
    let Place { organization, ref store } = place;
    let outcome = Users::new(store.clone()).put(organization, &users, absent, intent).await?;
    let seconds = started.elapsed().as_secs_f64();
    other_usernames(&outcome, output);
    if args.dry_run {
        tell(&place, &outcome, true, output)?;
        return Ok(Exit::Done);
    }
    let listened = users.iter().filter(|user| is_listened_to(user)).count();
    if output.is_json() {
        let mut told = outcome_json(&place, &outcome, false, false);
        told["imported"] = json!(users.len());
        told["listened_to"] = json!(listened);
        told["seconds"] = json!(seconds);
        output.json(&told)?;
        return Ok(Exit::Done);
    }
    output.line(format_args!(
        "imported {} of organization {organization}; {listened} of them are listened to",
        counted(users.len()),
    ))?;
    super::tell::summary(&outcome, false, output);
    output.note(format_args!("took {seconds:.1} s"));
    Ok(Exit::Done)
}

/// Adds one user.
pub(super) async fn add(
    global: &GlobalArgs,
    args: &NewUserArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let given = &args.fields;
    let fields = [&given.name, &given.email, &given.team, &given.supervisor, &given.site];
    let [name, email, team, supervisor, site] = fields.map(text);
    let (agent, status) = (text(&args.agent), text(&given.status));
    let adaptor = given.adaptor.unwrap_or(Adaptor::GenesysCloud);
    let fields = Fields {
        name: &name,
        email: &email,
        telephony_agent_id: &agent,
        adaptor: adaptor.as_str(),
        team: &team,
        supervisor: &supervisor,
        site: &site,
        status: &status,
    };
    let user = fields.check().map_err(|errors| UsersError::Fields { errors })?;
    let place = open(global, &args.scope, !args.dry_run, output).await?;
    let change = Change::at(place, args.dry_run);
    let outcome = change.users.add(change.place.organization, user, change.intent()).await?;
    change.told(&outcome, output)
}

/// Changes some fields of one user.
pub(super) async fn set(
    global: &GlobalArgs,
    args: &SetUserArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let change = Change::at(open(global, &args.scope, false, output).await?, args.dry_run);
    let edit = |user: &User| edited(user, &args.fields).check();
    let organization = change.place.organization;
    let outcome = change.users.edit(organization, &args.agent, &edit, change.intent()).await?;
    change.told(&outcome, output)
}

fn edited<'a>(user: &'a User, given: &'a FieldArgs) -> Fields<'a> {
    let stands = Fields::of(user);
    let or = |given: &'a Option<String>, stands| given.as_deref().unwrap_or(stands);
    Fields {
        name: or(&given.name, stands.name),
        email: or(&given.email, stands.email),
        telephony_agent_id: stands.telephony_agent_id,
        adaptor: given.adaptor.map_or(stands.adaptor, |adaptor| adaptor.as_str()),
        team: or(&given.team, stands.team),
        supervisor: or(&given.supervisor, stands.supervisor),
        site: or(&given.site, stands.site),
        status: or(&given.status, stands.status),
    }
}

/// Moves users to another adaptor.
pub(super) async fn move_to(
    global: &GlobalArgs,
    args: &MoveArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let change = Change::at(open(global, &args.scope, false, output).await?, args.dry_run);
    let organization = change.place.organization;
    let outcome =
        change.users.move_to(organization, &args.agents, args.to, change.intent()).await?;
    change.told(&outcome, output)
}

/// Removes users.
pub(super) async fn remove(
    global: &GlobalArgs,
    args: &RemoveArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let change = Change::at(open(global, &args.scope, false, output).await?, args.dry_run);
    let organization = change.place.organization;
    let outcome = change.users.remove(organization, &args.agents, change.intent()).await?;
    change.told(&outcome, output)
}

/// Takes a change back.
pub(super) async fn undo(
    global: &GlobalArgs,
    args: &UndoArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let change = Change::at(open(global, &args.scope, false, output).await?, args.dry_run);
    let organization = change.place.organization;
    let outcome = change.users.undo(organization, args.revision, change.intent()).await?;
    change.told(&outcome, output)
}

/// A change by command, or what it would be.
struct Change {
    place: Place,
    users: Users<Either>,
    origin: ChangeOrigin,
    dry_run: bool,
}

impl Change {
    fn at(place: Place, dry_run: bool) -> Self {
        let users = Users::new(place.store.clone());
        Self { place, users, origin: origin(ChangeWay::Cli), dry_run }
    }

    const fn intent(&self) -> Intent<'_> {
        intent(self.dry_run, &self.origin)
    }

    fn told(&self, outcome: &Outcome, output: &mut Output<'_>) -> Result<Exit, Failure> {
        tell(&self.place, outcome, self.dry_run, output)?;
        Ok(Exit::Done)
    }
}

pub(super) const fn intent(dry_run: bool, origin: &ChangeOrigin) -> Intent<'_> {
    if dry_run { Intent::DryRun } else { Intent::Commit(origin) }
}

fn is_listened_to(user: &User) -> bool {
    user.adaptor == Adaptor::GenesysCloud && user.status == UserStatus::Active
}

fn refusal(error: FileError) -> Failure {
    match error {
        FileError::Read(cause) => Failure::fault("the file cannot be read").because(cause),
        error
        @ (FileError::TooLarge { .. } | FileError::TooLong { .. } | FileError::Heading(_)) => {
            Failure::bad_input(error.to_string()).hint(SAMPLE_HINT)
        }
        FileError::Rows { errors, count } => {
            let more = count - errors.len();
            let what = FileError::Rows { errors: Vec::new(), count }.to_string();
            let what = if more > 0 { format!("{what}; {more} more are not shown") } else { what };
            Failure::bad_input(what)
                .rows(errors)
                .hint("mend these rows and import the whole file again")
        }
    }
}
