//! `sidetone coverage`.

use clap::Args as ClapArgs;
use sidetone_model::OrganizationId;

/// What `coverage` understands.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = COVERAGE_HELP)]
pub struct CoverageArgs {
    /// Look at this queue alone, by name or id; may be said several times [default: all that the
    /// OAuth client may see]
    #[arg(long = "queue", value_name = "NAME")]
    pub queues: Vec<String>,
    /// Whose agents [default: those of the OAuth client that the configuration names, else of the
    /// one organization that `sidetone org add` has set up]
    #[arg(long, value_name = "UUID")]
    pub organization: Option<OrganizationId>,
}

const COVERAGE_HELP: &str = "\
Examples:
  sidetone coverage --config sidetone.toml
  sidetone coverage --config sidetone.toml --queue Billing --queue Claims
  sidetone coverage --organization 0f0e0d0c-0b0a-4908-8706-050403020100
  sidetone coverage --json | jq -r '.not_covered[] | select(.reason == \"not-provisioned\").username'

The OAuth client's role needs Routing > Queue > View and Directory > User > View in all divisions
of your queues and agents.";

/// What the command is for, at length.
pub(super) const LONG_ABOUT: &str = "\
    Says who should be listened to and is not: queue members whom nobody provisioned, who are \
    switched off, served elsewhere, or share their agent id; provisioned users whom Genesys does \
    not list; and those who were never on a call. Asks Genesys, one request for a hundred members \
    of a queue, and waits where the rate limit says so.";
