//! `sidetone org`.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use sidetone_model::{Listen, OnHold, OrganizationId};
use sidetone_ports::Revision;

/// What can be done with organizations.
#[derive(Debug, Clone, Subcommand)]
pub enum OrgCommand {
    /// Serve an organization, or change how it is served
    #[command(after_help = ADD_HELP)]
    Add(OrgAddArgs),
    /// Show the organizations that are served
    #[command(after_help = LIST_HELP)]
    List,
    /// Show one organization; never a secret
    #[command(after_help = SHOW_HELP)]
    Show(OrgArgs),
    /// Show who changed what of an organization, also of one that was removed
    #[command(after_help = HISTORY_HELP)]
    History(OrgHistoryArgs),
    /// Serve an organization no longer: forget its settings, OAuth clients and AudioHook keys
    #[command(after_help = REMOVE_HELP)]
    Remove(OrgRemoveArgs),
}

/// Which organization.
#[derive(Debug, Clone, ClapArgs)]
pub struct OrgArgs {
    /// The organization
    #[arg(value_name = "UUID")]
    pub organization: OrganizationId,
}

/// What `org remove` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct OrgRemoveArgs {
    /// The organization
    #[arg(value_name = "UUID")]
    pub organization: OrganizationId,
    /// Print what would be forgotten, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove it without asking
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// What `org history` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct OrgHistoryArgs {
    /// The organization
    #[arg(value_name = "UUID")]
    pub organization: OrganizationId,
    /// How many changes to show
    #[arg(long, value_name = "COUNT", default_value = "50")]
    pub limit: NonZeroU16,
    /// Go on before this change, where an earlier page ended
    #[arg(long, value_name = "CHANGE")]
    pub before: Option<Revision>,
}

/// What `org add` understands.
#[derive(Debug, Clone, ClapArgs)]
pub struct OrgAddArgs {
    /// The organization
    #[arg(value_name = "UUID")]
    pub organization: OrganizationId,
    /// Its Genesys Cloud region, by any of its names: usw2, us-west-2, mypurecloud.de, …
    #[arg(long, value_name = "REGION", conflicts_with_all = ["login_url", "api_url"])]
    pub region: Option<String>,
    /// The login of a simulated platform on this machine, instead of a region
    #[arg(long, value_name = "URL", requires = "api_url")]
    pub login_url: Option<String>,
    /// The API of a simulated platform on this machine
    #[arg(long, value_name = "URL", requires = "login_url")]
    pub api_url: Option<String>,
    /// An OAuth client and the file that holds its secret alone, `-` for standard input; may be
    /// said several times, and replaces the clients that there were
    #[arg(long = "client", value_name = "ID=FILE")]
    pub clients: Vec<ClientArg>,
    /// The AudioHook key that Genesys Cloud sends, or is about to
    #[arg(long, value_name = "KEY", requires = "key_secret_file")]
    pub key_id: Option<String>,
    /// The file that holds the key's client secret alone, in base64, `-` for standard input; the
    /// newest one that the key had stays good beside it
    #[arg(long, value_name = "FILE", requires = "key_id")]
    pub key_secret_file: Option<PathBuf>,
    /// When its calls are listened to [default: matched]
    #[arg(long, value_name = "WHEN", value_enum)]
    pub listen: Option<ListenArg>,
    /// What to do while the agent has the customer on hold [default: keep]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub on_hold: Option<OnHoldArg>,
    /// For how many days its recordings are kept: 7, 14, 30, 60, 90, 180, 365, 730, 1095, 1825 or
    /// 2555; 0 for as many as the deployment says
    #[arg(long, value_name = "DAYS")]
    pub retention_days: Option<u16>,
    /// A queue, by name or id, whose members `coverage` looks at; may be said several times, and
    /// replaces the queues that there were
    #[arg(long = "queue", value_name = "NAME")]
    pub queues: Vec<String>,
}

/// An OAuth client and where its secret is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientArg {
    /// Its id.
    pub client_id: String,
    /// The file; `-` is standard input.
    pub secret_file: PathBuf,
}

/// A text that names no client and file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected the client's id, =, and the file that holds its secret")]
pub struct NoClient;

impl FromStr for ClientArg {
    type Err = NoClient;

    fn from_str(text: &str) -> Result<Self, NoClient> {
        let (id, file) = text.split_once('=').ok_or(NoClient)?;
        if id.trim().is_empty() || file.is_empty() {
            return Err(NoClient);
        }
        Ok(Self { client_id: id.trim().to_owned(), secret_file: file.into() })
    }
}

/// When calls are listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListenArg {
    /// From the moment an agent rings or talks
    Matched,
    /// All the time, delivered from the agent's connection
    Ready,
    /// All the time, delivered whole
    Always,
}

impl From<ListenArg> for Listen {
    fn from(listen: ListenArg) -> Self {
        match listen {
            ListenArg::Matched => Self::Matched,
            ListenArg::Ready => Self::Ready,
            ListenArg::Always => Self::Always,
        }
    }
}

/// What happens on hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnHoldArg {
    /// Audio goes on, marked
    Keep,
    /// Audio is paused
    Pause,
}

impl From<OnHoldArg> for OnHold {
    fn from(on_hold: OnHoldArg) -> Self {
        match on_hold {
            OnHoldArg::Keep => Self::Keep,
            OnHoldArg::Pause => Self::Pause,
        }
    }
}

const ADD_HELP: &str = "\
The id of an organization stands in Genesys Cloud under Admin > Account Settings > Organization
Settings. What is left out stays as it is. A running `sidetone run` on the same data follows the
organization within seconds, a stack within a minute or two. Secrets go into the data directory's
clients.json and keys.json, which their owner alone may read, or with --stack into the stack's two
secrets in Secrets Manager, and are never shown.

Examples:
  sidetone org add 0f0e0d0c-0b0a-4908-8706-050403020100 --region usw2 \\
    --client 5ecbeef0-0000-4000-8000-0000000000c1=/run/secrets/genesys
  pass genesys | sidetone org add 0f0e0d0c-0b0a-4908-8706-050403020100 --region euc1 --client ID=-
  sidetone org add 0f0e0d0c-0b0a-4908-8706-050403020100 --listen ready --queue Billing
  sidetone org add 0f0e0d0c-0b0a-4908-8706-050403020100 --retention-days 90 \\
    --key-id acme-7f31 --key-secret-file /run/secrets/audiohook";

const LIST_HELP: &str = "\
Examples:
  sidetone org list
  sidetone org list --json | jq -r '.organizations[].organization'";

const SHOW_HELP: &str = "\
Example:
  sidetone org show 0f0e0d0c-0b0a-4908-8706-050403020100";

const HISTORY_HELP: &str = "\
Of keys and secrets it is told that they were set, and nothing more.

Examples:
  sidetone org history 0f0e0d0c-0b0a-4908-8706-050403020100
  sidetone org history 0f0e0d0c-0b0a-4908-8706-050403020100 --json | jq '.history[0]'
  sidetone org history 0f0e0d0c-0b0a-4908-8706-050403020100 --limit 500 --before 17";

const REMOVE_HELP: &str = "\
Its users, calls, recordings and history stay where they are; its calls are no longer let in. On a
terminal it asks for the id once more; elsewhere it needs --yes. Secrets cannot be restored.

Examples:
  sidetone org remove 0f0e0d0c-0b0a-4908-8706-050403020100 --dry-run
  sidetone org remove 0f0e0d0c-0b0a-4908-8706-050403020100 --yes";
