//! `sidetone users`.

use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use sidetone_model::{Adaptor, AgentId, OrganizationId};
use sidetone_ports::{HistoryPlace, Revision};

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
    /// Whose users [default: the one organization that has a key here, else the simulated one]
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
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE.csv")]
    pub output: Option<PathBuf>,
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
}

/// What `users find` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct FindArgs {
    /// What must stand, all of it and in any letter case, in one of the user's fields each
    #[arg(value_name = "WORD", required = true)]
    pub words: Vec<String>,
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
    #[arg(long, value_parser = adaptor)]
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
    #[arg(long, value_name = "ADAPTOR", value_parser = adaptor)]
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
    /// How many changes to show
    #[arg(long, value_name = "COUNT", default_value = "50")]
    pub limit: NonZeroU16,
    /// Go on where an earlier page ended
    #[arg(long, value_name = "PLACE")]
    pub before: Option<HistoryPlace>,
}

fn adaptor(text: &str) -> Result<Adaptor, String> {
    let name = text.trim().to_lowercase().replace([' ', '_'], "-");
    Adaptor::ALL
        .into_iter()
        .find(|adaptor| adaptor.as_str() == name)
        .ok_or_else(|| format!("none of {}", Adaptor::ALL.map(Adaptor::as_str).join(", ")))
}

#[expect(clippy::unnecessary_wraps, reason = "what clap wants of a parser")]
fn agent(text: &str) -> Result<AgentId, String> {
    Ok(AgentId::new(text.trim().to_lowercase()))
}

const IMPORT_HELP: &str = "\
Columns, in any order: name, email (or username), telephony_agent_id, adaptor, team, supervisor,
site, status. Needed are name, email and adaptor. The telephony agent id is what precedes the @
of the Genesys username, lower-cased, unless the file says otherwise. Adaptors: genesys-cloud,
genesys-engage, avaya, cisco. At most 5 MiB, 50,000 rows, 1 KiB a field. A file with one bad row
changes nothing and exits with 2; each bad row is named by number, column and reason. Users who
are not in the file stay as they are, unless --replace says that they go.

A running `sidetone run` on the same data knows the users within a minute.

Examples:
  sidetone users sample > agents.csv
  sidetone users import agents.csv --dry-run
  sidetone users import agents.csv
  sidetone users import everybody.csv --replace
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
  sidetone users export -o agents.csv";

const LIST_HELP: &str = "\
Examples:
  sidetone users list
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
  sidetone users remove ada bo";

const UNDO_HELP: &str = "\
Refused, and nothing changed, if one of its users was changed since.

Examples:
  sidetone users undo 17 --dry-run
  sidetone users undo 17";

const HISTORY_HELP: &str = "\
Examples:
  sidetone users history
  sidetone users history ada --json
  sidetone users history --limit 500 --before 17/ada";

const SAMPLE_HELP: &str = "\
Example:
  sidetone users sample > agents.csv";
