//! The commands that change users, each of which can also only say what it would change.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use sidetone_model::{Adaptor, User, UserStatus};
use sidetone_ports::{ChangeOrigin, ChangeWay};
use sidetone_user_file::{Fields, FileError, ReadOptions, UserFile, doubts as doubts_of, read};
use sidetone_users::{Absent, Intent, Outcome, Removals, Users, UsersError};

use super::place::{Either, Place, Use, open};
use super::tell::{doubts, other_usernames, outcome_json, tell};
use super::{SAMPLE_HINT, counted};
use crate::args::{
    FieldArgs, GlobalArgs, ImportArgs, MoveArgs, NewUserArgs, RemoveArgs, SetUserArgs, UndoArgs,
};
use crate::commands::origin;
use crate::failure::{Exit, Failure};
use crate::output::{Output, printable};

/// Adds or replaces the users of a file.
pub(super) async fn import(
    global: &GlobalArgs,
    args: &ImportArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let started = Instant::now();
    let file = read_file(global, args)?;
    let place = open(global, &args.scope, Use::adding(args.dry_run), output).await?;
    notes_of_file(&file, output);
    let kept = file.kept();
    let users: Vec<_> = file.users.iter().cloned().map(Arc::new).collect();
    let origin = origin(ChangeWay::File);
    let intent = intent(args.dry_run, &origin);
    let Place { organization, ref store } = place;
    let store = Users::new(store.clone());
    let outcome = confirming(args.yes, output, async |removals| {
        let absent = if args.replace { Absent::Remove(removals) } else { Absent::Stay };
        store.put(organization, &users, &kept, absent, intent).await
    })
    .await?;
    let seconds = started.elapsed().as_secs_f64();
    other_usernames(&outcome, output);
    if args.dry_run {
        tell(global, &place, &outcome, true, output)?;
        many_removed(&outcome, output);
        return Ok(Exit::Done);
    }
    let listened = users.iter().filter(|user| is_listened_to(user)).count();
    if output.is_json() {
        let mut told = outcome_json(global, &place, &outcome, false, false);
        told["imported"] = json!(users.len());
        told["listened_to"] = json!(listened);
        told["seconds"] = json!(seconds);
        told["ignored_columns"] = json!(file.ignored);
        output.json(&told)?;
        return Ok(Exit::Done);
    }
    output.line(format_args!(
        "imported {} of organization {organization}; {listened} of them are listened to",
        counted(users.len()),
    ))?;
    super::tell::summary(global, &place, &outcome, false, output);
    output.note(format_args!("took {seconds:.1} s"));
    Ok(Exit::Done)
}

fn read_file(global: &GlobalArgs, args: &ImportArgs) -> Result<UserFile, Failure> {
    let options = ReadOptions {
        ignore_unknown: args.ignore_unknown,
        mappings: args.mappings.clone(),
        encoding: args.encoding,
    };
    let read = if args.file == Path::new("-") {
        read(io::stdin().lock(), &options)
    } else {
        let file = File::open(&args.file).map_err(|error| {
            Failure::bad_input(format!("cannot read {}", args.file.display())).because(error)
        })?;
        read(file, &options)
    };
    let file = read.map_err(|error| refusal(global, args, error))?;
    if file.users.is_empty() {
        return Err(Failure::bad_input("the file has no users").hint(SAMPLE_HINT));
    }
    Ok(file)
}

/// Says what a file leaves open, and who in it will never be matched.
fn notes_of_file(file: &UserFile, output: &mut Output<'_>) {
    if file.encoding != "UTF-8" {
        output.note(format_args!("read as {}", file.encoding));
    }
    if !file.ignored.is_empty() {
        let ignored: Vec<_> = file.ignored.iter().map(|name| format!("\"{name}\"")).collect();
        output.note(format_args!("left out: {}", printable(&ignored.join(", "))));
    }
    if !file.fields.contains(&"adaptor") {
        output.note("no column for adaptor: new users get genesys-cloud, the others keep theirs");
    }
    for doubt in file.doubts.iter().take(DOUBTS_SHOWN) {
        output.note(format_args!("warning: {}", printable(&doubt.shown())));
    }
    if file.doubt_count > DOUBTS_SHOWN {
        output.note(format_args!("warning: {} more like these", file.doubt_count - DOUBTS_SHOWN));
    }
}

/// How many users are named who will never be matched.
const DOUBTS_SHOWN: usize = 20;

/// Tries a change that may remove users; where it would remove many, asks the person at the
/// terminal, and then tries it again for so many.
pub(super) async fn confirming<T>(
    yes: bool,
    output: &mut Output<'_>,
    attempt: impl AsyncFn(Removals) -> Result<T, UsersError>,
) -> Result<T, Failure> {
    let first = if yes { Removals::ALL } else { Removals::Few };
    let (removed, stored) = match attempt(first).await {
        Err(UsersError::ManyRemoved { removed, stored }) => (removed, stored),
        done => return Ok(done?),
    };
    let question = format!(
        "This removes {removed} of {stored} users. Type {removed} to go on, anything else to stop"
    );
    match output.confirms(question, &removed.to_string()) {
        Some(true) => Ok(attempt(Removals::UpTo(removed)).await?),
        Some(false) => Err(Failure::bad_input("not confirmed; nothing was changed")),
        None => Err(UsersError::ManyRemoved { removed, stored }.into()),
    }
}

/// Says of a dry run that the change itself will have to be confirmed.
pub(super) fn many_removed(outcome: &Outcome, output: &mut Output<'_>) {
    let difference = &outcome.difference;
    let (removed, stored) = (difference.counts().removed, difference.stored());
    if removed * 100 > stored * Removals::FEW_PERCENT {
        output.note(format_args!(
            "that removes {removed} of {stored} users: it will ask first, or need --yes"
        ));
    }
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
    let place = open(global, &args.scope, Use::adding(args.dry_run), output).await?;
    let change = Change::at(place, args.dry_run);
    let outcome = change.users.add(change.place.organization, user, change.intent()).await?;
    change.told(global, &outcome, output)
}

/// Changes some fields of one user.
pub(super) async fn set(
    global: &GlobalArgs,
    args: &SetUserArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let change = Change::at(open(global, &args.scope, Use::Existing, output).await?, args.dry_run);
    let edit = |user: &User| edited(user, &args.fields).check();
    let organization = change.place.organization;
    let outcome = change.users.edit(organization, &args.agent, &edit, change.intent()).await?;
    change.told(global, &outcome, output)
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
    let change = Change::at(open(global, &args.scope, Use::Existing, output).await?, args.dry_run);
    let organization = change.place.organization;
    let outcome =
        change.users.move_to(organization, &args.agents, args.to, change.intent()).await?;
    change.told(global, &outcome, output)
}

/// Removes users.
pub(super) async fn remove(
    global: &GlobalArgs,
    args: &RemoveArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let change = Change::at(open(global, &args.scope, Use::Existing, output).await?, args.dry_run);
    let organization = change.place.organization;
    let outcome = confirming(args.yes, output, async |removals| {
        change.users.remove(organization, &args.agents, removals, change.intent()).await
    })
    .await?;
    change.told(global, &outcome, output)
}

/// Takes a change back.
pub(super) async fn undo(
    global: &GlobalArgs,
    args: &UndoArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let change = Change::at(open(global, &args.scope, Use::Existing, output).await?, args.dry_run);
    let organization = change.place.organization;
    let outcome = change.users.undo(organization, args.revision, change.intent()).await?;
    change.told(global, &outcome, output)
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

    fn told(
        &self,
        global: &GlobalArgs,
        outcome: &Outcome,
        output: &mut Output<'_>,
    ) -> Result<Exit, Failure> {
        tell(global, &self.place, outcome, self.dry_run, output)?;
        doubts(outcome, output);
        Ok(Exit::Done)
    }
}

pub(super) const fn intent(dry_run: bool, origin: &ChangeOrigin) -> Intent<'_> {
    if dry_run { Intent::DryRun } else { Intent::Commit(origin) }
}

fn is_listened_to(user: &User) -> bool {
    user.adaptor == Adaptor::GenesysCloud
        && user.status == UserStatus::Active
        && doubts_of(user).is_empty()
}

fn refusal(global: &GlobalArgs, args: &ImportArgs, error: FileError) -> Failure {
    let name = args.file.display().to_string();
    let again = |option: &[&str]| {
        let words: Vec<&str> =
            ["users", "import", &name].into_iter().chain(option.iter().copied()).collect();
        global.command(&words, args.scope.organization)
    };
    let refused =
        |error: &FileError| Failure::bad_input(format!("{name}: {error}; nothing was imported"));
    match error {
        FileError::Read(cause) => Failure::fault("the file cannot be read").because(cause),
        error @ FileError::Encoding { .. } => refused(&error)
            .hint(format!("if it is Windows-1252: `{}`", again(&["--encoding", "windows-1252"]))),
        error @ FileError::UnknownColumns { .. } => refused(&error).hint(format!(
            "leave them out: `{}`; or say which field one is: --map COLUMN=FIELD",
            again(&["--ignore-unknown"])
        )),
        error @ FileError::Header { .. } => refused(&error)
            .hint(format!("--map COLUMN=FIELD says which field a column is; {SAMPLE_HINT}")),
        error @ (FileError::NotText { .. }
        | FileError::OtherEncoding { .. }
        | FileError::OpenQuote { .. }
        | FileError::TooLarge { .. }
        | FileError::TooLong { .. }) => refused(&error),
        FileError::Rows(errors) => Failure::bad_input(format!("{name}: {errors}"))
            .rows(errors)
            .hint("correct these rows and import the whole file again"),
    }
}
