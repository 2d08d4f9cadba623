//! `sidetone users`.

use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::{Args as ClapArgs, Subcommand};
use sidetone_model::{Adaptor, AgentId, OrganizationId, UserStatus};
use sidetone_ports::{HistoryPlace, Revision};
use sidetone_user_file::{ColumnMapping, TextEncoding, agent_id};

use super::value::Offering;

/// What can be done with users.
#[derive(Debug, Clone, Subcommand)]
pub enum UsersCommand {
    /// Add or replace users from a CSV file, all of them or none
    #[command(after_help = IMPORT_HELP)]
    Import(ImportArgs),
    /// Add and update users as Genesys Cloud has them, all of them or none
    #[command(after_help = SYNC_HELP)]
    Sync(SyncArgs),
    /// Write the CSV file that `import` reads
    #[command(after_help = EXPORT_HELP)]
    Export(ExportArgs),
    /// Show the users of an organization
    #[command(after_help = LIST_HELP)]
    List(UserListArgs),
    /// Show the users in whom some words are found
    #[command(after_help = FIND_HELP)]
    Find(FindArgs),
    /// Add one user
    #[command(after_help = ADD_HELP)]
    Add(NewUserArgs),
    /// Change some fields of one user
    #[command(after_help = SET_HELP)]
    Set(SetUserArgs),
    /// Move users to another adaptor; takes effect within a minute, on running calls too
    #[command(after_help = MOVE_HELP)]
    Move(MoveArgs),
    /// Remove users
    #[command(after_help = REMOVE_HELP)]
    Remove(RemoveArgs),
    /// Take a change back, whole
    #[command(after_help = UNDO_HELP)]
    Undo(UndoArgs),
    /// Show who changed what, newest first
    #[command(after_help = HISTORY_HELP)]
    History(HistoryArgs),
    /// Print a CSV file that shows every column
    #[command(after_help = SAMPLE_HELP)]
    Sample,
}

/// Whose users are meant.
#[derive(Debug, Clone, ClapArgs)]
pub struct UserScope {
    /// Whose users [default: the one organization that has a key or is set up here, else the
    /// simulated one where its users are]
    #[arg(long, value_name = "UUID")]
    pub organization: Option<OrganizationId>,
}

/// What `users import` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct ImportArgs {
    /// The file; `-` reads standard input
    #[arg(value_name = "FILE.csv")]
    pub file: PathBuf,
    /// Whose users.
    #[command(flatten)]
    pub scope: UserScope,
    /// Print what would be added, changed, moved and removed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove every user who is not in the file; otherwise they stay
    #[arg(long)]
    pub replace: bool,
    /// Remove more than 20 % of the users without asking
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Leave out columns that are not known, instead of refusing the file
    #[arg(long)]
    pub ignore_unknown: bool,
    /// Say which field a column of the file is; may be said several times
    #[arg(long = "map", value_name = "COLUMN=FIELD")]
    pub mappings: Vec<ColumnMapping>,
    /// The encoding of a file that is not UTF-8: windows-1252, windows-1250, …
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<TextEncoding>,
}

/// Whether long results are shown page by page.
#[derive(Debug, Clone, Copy, Default, ClapArgs)]
pub struct PagerArgs {
    /// Print long results at once; otherwise a terminal shows them with $PAGER, or less
    #[arg(long)]
    pub no_pager: bool,
}

/// What `users sync` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct SyncArgs {
    /// Look at the members of this queue, joined or not; may be said several times, as may the
    /// others [default: everybody whom the OAuth client may see]
    #[arg(long = "queue", value_name = "NAME|ID")]
    pub queues: Vec<String>,
    /// Look at the members of this group
    #[arg(long = "group", value_name = "NAME|ID")]
    pub groups: Vec<String>,
    /// Look at the users of this division
    #[arg(long = "division", value_name = "NAME|ID")]
    pub divisions: Vec<String>,
    /// Print what would be added, changed and removed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove users of Genesys Cloud who are no active user there any more; otherwise they are
    /// only named
    #[arg(long)]
    pub remove_vanished: bool,
    /// Remove more than 20 % of the users without asking
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Whose users [default: those of the OAuth client that the configuration names, else of the
    /// one organization that `sidetone org add` has set up]
    #[arg(long, value_name = "UUID")]
    pub organization: Option<OrganizationId>,
}

/// What `users export` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct ExportArgs {
    /// Whose users.
    #[command(flatten)]
    pub scope: UserScope,
    /// Where to write it, readable by its owner alone [default: standard output]
    #[arg(short, long, value_name = "FILE.csv")]
    pub output: Option<PathBuf>,
    /// Write over a file that exists
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Begin with a byte order mark, without which Excel shows umlauts garbled
    #[arg(long)]
    pub excel: bool,
}

/// What `users list` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct UserListArgs {
    /// Whose users.
    #[command(flatten)]
    pub scope: UserScope,
    /// Write the CSV file that `import` reads
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Only users of this team, in any letter case
    #[arg(long, value_name = "TEAM")]
    pub team: Option<String>,
    /// Only users of this adaptor
    #[arg(long, value_name = "ADAPTOR", value_parser = adaptor)]
    pub adaptor: Option<Adaptor>,
    /// Only users with this status
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub status: Option<UserStatus>,
    /// Whether by page.
    #[command(flatten)]
    pub pager: PagerArgs,
}

/// What `users find` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct FindArgs {
    /// What must stand, all of it and in any letter case, in one of the user's fields each
    #[arg(value_name = "WORD", required = true)]
    pub words: Vec<String>,
    /// Whether by page.
    #[command(flatten)]
    pub pager: PagerArgs,
    /// Whose users.
    #[command(flatten)]
    pub scope: UserScope,
}

/// The fields of a user, as options.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct FieldArgs {
    /// The person's name
    #[arg(long)]
    pub name: Option<String>,
    /// The Genesys username, an e-mail address
    #[arg(long, value_name = "USERNAME")]
    pub email: Option<String>,
    /// Who serves the user
    #[arg(long, value_parser = adaptors())]
    pub adaptor: Option<Adaptor>,
    /// The team
    #[arg(long)]
    pub team: Option<String>,
    /// The supervisor's agent id
    #[arg(long, value_name = "AGENT")]
    pub supervisor: Option<String>,
    /// The site
    #[arg(long)]
    pub site: Option<String>,
    /// `active`, or `inactive` for whom is not listened to
    #[arg(long)]
    pub status: Option<String>,
}

/// What `users add` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct NewUserArgs {
    /// The telephony agent id [default: the local part of the username]
    #[arg(value_name = "AGENT")]
    pub agent: Option<String>,
    /// The fields.
    #[command(flatten)]
    pub fields: FieldArgs,
    /// Whose users.
    #[command(flatten)]
    pub scope: UserScope,
    /// Print what would be added, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What `users set` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct SetUserArgs {
    /// Whom to change
    #[arg(value_name = "AGENT", value_parser = agent)]
    pub agent: AgentId,
    /// The fields.
    #[command(flatten)]
    pub fields: FieldArgs,
    /// Whose users.
    #[command(flatten)]
    pub scope: UserScope,
    /// Print what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What `users move` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct MoveArgs {
    /// Whom to move, all of them or none
    #[arg(value_name = "AGENT", required = true, value_parser = agent)]
    pub agents: Vec<AgentId>,
    /// To which adaptor: genesys-cloud is served here; genesys-engage, avaya and cisco elsewhere
    #[arg(long, value_name = "ADAPTOR", value_parser = adaptors())]
    pub to: Adaptor,
    /// Whose users.
    #[command(flatten)]
    pub scope: UserScope,
    /// Print who would be moved, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What `users remove` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct RemoveArgs {
    /// Whom to remove, all of them or none
    #[arg(value_name = "AGENT", required = true, value_parser = agent)]
    pub agents: Vec<AgentId>,
    /// Whose users.
    #[command(flatten)]
    pub scope: UserScope,
    /// Print who would be removed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove more than 20 % of the users without asking
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// What `users undo` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct UndoArgs {
    /// The number of the change, as it was printed or `users history` shows it
    #[arg(value_name = "CHANGE")]
    pub revision: Revision,
    /// Whose users.
    #[command(flatten)]
    pub scope: UserScope,
    /// Print what would be taken back, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What `users history` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct HistoryArgs {
    /// Of this user alone
    #[arg(value_name = "AGENT", value_parser = agent)]
    pub agent: Option<AgentId>,
    /// Whose users.
    #[command(flatten)]
    pub scope: UserScope,
    /// Show what changed of each user, not only how many users a change concerned
    #[arg(long)]
    pub details: bool,
    /// Of this change alone, with details
    #[arg(long, value_name = "CHANGE", conflicts_with = "before")]
    pub change: Option<Revision>,
    /// How many changes to show; with details, how many users of them
    #[arg(long, value_name = "COUNT", default_value = "50")]
    pub limit: NonZeroU16,
    /// Whether by page.
    #[command(flatten)]
    pub pager: PagerArgs,
    /// Go on where an earlier page ended
    #[arg(long, value_name = "PLACE")]
    pub before: Option<HistoryPlace>,
}

/// Reads an adaptor; completions offer the four.
fn adaptors() -> Offering<impl TypedValueParser<Value = Adaptor>> {
    Offering::new(adaptor, Adaptor::ALL.map(Adaptor::as_str))
}

fn adaptor(text: &str) -> Result<Adaptor, String> {
    let name = text.trim().to_lowercase().replace([' ', '_'], "-");
    Adaptor::ALL
        .into_iter()
        .find(|adaptor| adaptor.as_str() == name)
        .ok_or_else(|| format!("none of {}", Adaptor::ALL.map(Adaptor::as_str).join(", ")))
}

fn status(text: &str) -> Result<UserStatus, String> {
    let all = [UserStatus::Active, UserStatus::Inactive];
    let name = text.trim().to_lowercase();
    let found = all.into_iter().find(|status| status.as_str() == name);
    found.ok_or_else(|| "expected active or inactive".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "what clap wants of a parser")]
fn agent(text: &str) -> Result<AgentId, String> {
    Ok(agent_id(text))
}

const IMPORT_HELP: &str = "\
Columns, in any order: name, email, telephony_agent_id, adaptor, team, supervisor, site, status,
and usual other names such as E-Mail, Username or Team Name. Only name and email are needed: what
the file has no column for stays as it is, and new users get adaptor genesys-cloud. The telephony
agent id is what precedes the @ of the Genesys username, lower-cased, unless the file says
otherwise. Adaptors: genesys-cloud, genesys-engage, avaya, cisco.

Reads CSV as spreadsheets write it: separated by commas, semicolons or tabs as its header is, in
UTF-8, or UTF-16 with a byte order mark; another encoding is named by --encoding. Empty rows are
skipped. At most 5 MiB, 50,000 rows, 1 KiB a field. A file with one bad row changes nothing and
exits with 2; faults are listed by row, as the spreadsheet counts rows, with value and reason.

Users who are not in the file stay, unless --replace removes them. If that would remove more than
20 % of the users, a terminal asks first, and elsewhere --yes is needed.

A running `sidetone run` on the same data knows the users within a minute.

Examples:
  sidetone users sample > agents.csv
  sidetone users import agents.csv --dry-run
  sidetone users import agents.csv
  sidetone users import everybody.csv --replace
  sidetone users import genesys-people.csv --ignore-unknown --map Department=team
  sidetone users import - --organization 0f0e0d0c-0b0a-4908-8706-050403020100 < agents.csv";

const SYNC_HELP: &str = "\
The telephony agent id is what precedes the @ of the Genesys username, lower-cased. Who is new is
added with adaptor genesys-cloud, active. Of who stands here the name and the username are brought
up to date; adaptor, team, supervisor, site and status stay as an administrator set them, so
whoever was moved to another adaptor stays there.

Named and left alone are: two people who share an agent id; people whose username stands here
under another agent id; people whose fields cannot be, by their Genesys id. Vanished is who is no
active user in the whole organization, not who is outside of the queues, groups and divisions.

What cannot be read whole changes nothing. It is one change, and `users undo` takes it back.

The OAuth client's role needs Directory > User > View in all divisions: who is in a division that
it may not see looks vanished. With --queue it needs Routing > Queue > View, with --group
Directory > Group > View, with --division Authorization > Division > View. One request reads 500
users, or 100 members; beyond the rate limit it waits.

Examples:
  sidetone users sync --config sidetone.toml --dry-run
  sidetone users sync --config sidetone.toml --queue Billing --queue Claims
  sidetone users sync --organization 0f0e0d0c-0b0a-4908-8706-050403020100 --division Lisbon
  sidetone users sync --remove-vanished --dry-run --json | jq -r '.vanished[]'";

const EXPORT_HELP: &str = "\
What a spreadsheet would take for a formula is written with an apostrophe before it, which
`import` takes away again: importing what was exported changes nothing.

Examples:
  sidetone users export > agents.csv
  sidetone users export -o agents.csv --excel
  sidetone users export -o agents.csv --force";

const LIST_HELP: &str = "\
Examples:
  sidetone users list
  sidetone users list --team billing --adaptor genesys-cloud --status inactive
  sidetone users list --json | jq -r '.users[].agent'
  sidetone users list --csv > agents.csv";

const FIND_HELP: &str = "\
Exits with 3 if nobody is found.

Examples:
  sidetone users find ada
  sidetone users find billing lisbon --json";

const ADD_HELP: &str = "\
Examples:
  sidetone users add --name Ada --email ada@customer.example --adaptor genesys-cloud
  sidetone users add ada2 --name Ada --email ada@customer.example --adaptor avaya \\
    --team Billing --supervisor grace --dry-run";

const SET_HELP: &str = "\
What is not named stays; an empty value empties a field that may be empty.

Examples:
  sidetone users set ada --team Returns --supervisor grace
  sidetone users set ada --status inactive --dry-run";

const MOVE_HELP: &str = "\
Examples:
  sidetone users move ada bo --to avaya --dry-run
  sidetone users move ada bo --to avaya
  sidetone users move ada bo --to genesys-cloud
  sidetone users undo 17                 everybody back where they were before change 17";

const REMOVE_HELP: &str = "\
Examples:
  sidetone users remove ada bo --dry-run
  sidetone users remove ada bo --yes";

const UNDO_HELP: &str = "\
Refused, and nothing changed, if one of its users was changed since.

Examples:
  sidetone users undo 17 --dry-run
  sidetone users undo 17";

const HISTORY_HELP: &str = "\
Examples:
  sidetone users history                 one line for each change
  sidetone users history --change 17     what changed of each of its users
  sidetone users history ada --json
  sidetone users history --limit 500 --before 17/";

const SAMPLE_HELP: &str = "\
Example:
  sidetone users sample > agents.csv";
