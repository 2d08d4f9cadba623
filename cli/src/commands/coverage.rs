//! `sidetone coverage`: who should be listened to and is not.

use comfy_table::{Table, presets};
use sidetone_model::OrganizationId;
use sidetone_ports::{CallStore, OrganizationStore, UserStore};
use sidetone_ports_embedded::Store;
use sidetone_tracking::{
    Coverage, CoverageError, PlatformClient, PlatformError, Uncovered, UncoveredReason,
};

use super::existing_data;
use crate::args::{CoverageArgs, GlobalArgs};
use crate::failure::{Exit, Failure};
use crate::output::{Output, printable};
use crate::platforms::asked;

/// Says who should be listened to and is not.
pub(crate) async fn coverage(
    global: &GlobalArgs,
    args: &CoverageArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    sidetone_bootstrap::start_log(global.log_format(), global.log_filter("warn"));
    #[cfg(feature = "aws")]
    if let Some(stack) = crate::stack::Stack::named(global).await? {
        let (organization, platform) = stack.asked(args.organization).await?;
        return show(global, &platform, stack.store(), organization, args, output).await;
    }
    let data = existing_data(global)?;
    let store = Store::open(&data.store())?;
    let (organization, platform) = asked(global, args.organization, &data, &store).await?;
    show(global, &platform, &store, organization, args, output).await
}

async fn show(
    global: &GlobalArgs,
    platform: &PlatformClient,
    store: &(impl UserStore + CallStore + OrganizationStore),
    organization: OrganizationId,
    args: &CoverageArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let coverage = sidetone_tracking::coverage(platform, store, organization, &args.queues).await?;
    if output.is_json() {
        output.json(&coverage)?;
    } else {
        print(global, &coverage, output)?;
    }
    Ok(Exit::Done)
}

fn print(global: &GlobalArgs, coverage: &Coverage, output: &mut Output<'_>) -> Result<(), Failure> {
    for queue in &coverage.queues {
        let (covered, members) = (queue.covered, queue.members);
        let name = printable(&queue.name);
        output.line(format_args!("{name}: {covered} of {members} members are listened to"))?;
    }
    if !coverage.not_covered.is_empty() {
        output.line(format_args!("\n{}", table(&coverage.not_covered)))?;
    }
    for agent in &coverage.not_listed {
        let agent = printable(agent.as_str());
        output.line(format_args!("{agent}: provisioned, and Genesys lists no such active user"))?;
    }
    for agent in &coverage.never_on_a_call {
        let (agent, days) = (printable(agent.as_str()), coverage.seen_days);
        output.line(format_args!("{agent}: provisioned, and on no call within {days} days"))?;
    }
    if coverage.not_covered.iter().any(|one| one.reason == UncoveredReason::NotProvisioned) {
        let sync = global.command(&["users", "sync"], Some(coverage.organization));
        output.note(format_args!(
            "\n`{sync}` provisions them as Genesys has them; `sidetone users sample` prints a file \
             to do it by hand"
        ));
    }
    Ok(())
}

fn table(uncovered: &[Uncovered]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    table.set_header(["USERNAME", "AGENT", "WHY NOT", "QUEUES"]);
    for one in uncovered {
        let agent = one.agent.as_ref().map(|agent| agent.as_str()).unwrap_or_default();
        let queues = one.queues.join(", ");
        let fields = [one.username.reveal().as_str(), agent, in_words(one.reason), &queues];
        table.add_row(fields.map(printable));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

const fn in_words(reason: UncoveredReason) -> &'static str {
    match reason {
        UncoveredReason::NotProvisioned => "not provisioned",
        UncoveredReason::Collision => "shares the agent id with another user",
        UncoveredReason::OtherAdaptor => "served by another platform",
        UncoveredReason::Inactive => "switched off",
    }
}

impl From<PlatformError> for Failure {
    fn from(error: PlatformError) -> Self {
        let hint = match &error {
            PlatformError::OtherOrganization { .. } => Some(OTHER_ORGANIZATION),
            PlatformError::Credentials { .. } => Some(PERMISSIONS),
            error if error.is_forbidden() => Some(PERMISSIONS),
            PlatformError::Refused { .. }
            | PlatformError::Throttled { .. }
            | PlatformError::Unavailable { .. }
            | PlatformError::Unreachable { .. }
            | PlatformError::TimedOut { .. }
            | PlatformError::Unexpected { .. } => None,
        };
        let failure = Self::fault("Genesys could not be asked").because(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

const OTHER_ORGANIZATION: &str = "name the organization of that OAuth client, or enter a client of \
    the one you mean with `sidetone org add`";

const PERMISSIONS: &str = "check the OAuth client, its secret and its role: Directory > User > View, \
    for queues Routing > Queue > View, for groups Directory > Group > View, for divisions \
    Authorization > Division > View, in all divisions of your queues and agents";

impl From<CoverageError> for Failure {
    fn from(error: CoverageError) -> Self {
        match error {
            CoverageError::Platform(error) => error.into(),
            CoverageError::Store(error) => error.into(),
            error @ CoverageError::NoQueue { .. } => Self::bad_input(error.to_string())
                .hint("without --queue all queues are looked at that the OAuth client may see"),
        }
    }
}
