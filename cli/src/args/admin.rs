//! `sidetone users` and `sidetone secrets`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use sidetone_model::OrganizationId;

/// What can be done with users.
#[derive(Debug, Clone, Subcommand)]
pub enum UsersCommand {
    /// Add or replace users from a CSV file, all of them or none
    #[command(after_help = IMPORT_HELP)]
    Import(ImportArgs),
    /// Show the users of an organization
    #[command(after_help = LIST_HELP)]
    List(UserListArgs),
    /// Print a CSV file that shows every column
    #[command(after_help = SAMPLE_HELP)]
    Sample,
}

/// What `users import` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct ImportArgs {
    /// The file; `-` reads standard input
    #[arg(value_name = "FILE.csv")]
    pub file: PathBuf,
    /// Whose users they are [default: the one organization that has a key here, else the
    /// simulated one]
    #[arg(long, value_name = "UUID")]
    pub organization: Option<OrganizationId>,
}

/// What `users list` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct UserListArgs {
    /// Whose users [default: the one organization that has a key here, else the simulated one]
    #[arg(long, value_name = "UUID")]
    pub organization: Option<OrganizationId>,
    /// Write the CSV file that `import` reads
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

const IMPORT_HELP: &str = "\
Columns, in any order: name, email (or username), telephony_agent_id, adaptor, team, supervisor,
site, status. Needed are name, email and adaptor. The telephony agent id is what precedes the @
of the Genesys username, lower-cased, unless the file says otherwise. Adaptors: genesys-cloud,
genesys-engage, avaya, cisco. A file with one bad row changes nothing and exits with 2; each bad
row is named by number, column and reason.

A running `sidetone run` on the same data knows the users within a minute.

Examples:
  sidetone users sample > agents.csv
  sidetone users import agents.csv
  sidetone users import - --organization 0f0e0d0c-0b0a-4908-8706-050403020100 < agents.csv";

const LIST_HELP: &str = "\
Examples:
  sidetone users list
  sidetone users list --json | jq -r '.users[].agent'
  sidetone users list --csv > agents.csv";

const SAMPLE_HELP: &str = "\
Example:
  sidetone users sample > agents.csv";

/// What can be done with AudioHook credentials.
#[derive(Debug, Clone, Subcommand)]
pub enum SecretsCommand {
    /// Make an API key and its client secret, and print both once
    #[command(after_help = NEW_HELP)]
    New(NewSecretArgs),
    /// Show which keys there are; never a secret
    #[command(after_help = KEYS_HELP)]
    List,
}

/// What `secrets new` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct NewSecretArgs {
    /// The Genesys organization that may use the key [default: the one known here]
    #[arg(long, value_name = "UUID")]
    pub organization: Option<OrganizationId>,
    /// The API key: a new one of your choice, or one that is there, to give it a new secret
    /// [default: a random one]
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

const KEYS_HELP: &str = "\
Examples:
  sidetone secrets list
  sidetone secrets list --json | jq -r '.keys[].fingerprint'";

const NEW_HELP: &str = "\
Enter both in Genesys Cloud, Admin > Integrations > AudioHook Monitor > Credentials. The secret
cannot be shown again. A second `new` for the same key makes a second secret; both are good until
a third replaces the older one, so that Genesys can be told in between.

The id of an organization stands in Genesys Cloud under Admin > Account Settings > Organization
Settings.

Examples:
  sidetone secrets new --organization 0f0e0d0c-0b0a-4908-8706-050403020100
  sidetone secrets new --key sidetone-3nV0…     a new secret for that key";
