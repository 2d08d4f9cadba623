//! `sidetone secrets`.

use clap::{Args as ClapArgs, Subcommand};
use sidetone_model::OrganizationId;

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
a third replaces the older one, so that Genesys can be told in between. With --stack, both go into
the stack's secret in Secrets Manager.

The id of an organization stands in Genesys Cloud under Admin > Account Settings > Organization
Settings.

Examples:
  sidetone secrets new --organization 0f0e0d0c-0b0a-4908-8706-050403020100
  sidetone secrets new --key sidetone-3nV0…     a new secret for that key";
