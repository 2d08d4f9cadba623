//! The APIs of users and organizations beside the door of `sidetone run`, on an address of its own.

use std::net::SocketAddr;
use std::time::Duration;

use sidetone_bootstrap::{ApiConfig, ApiTokenConfig};
use sidetone_listener::{
    Guard as ListenerGuard, GuardLimits, ServeLimits, Shares, SourceRules, serve,
};
use sidetone_model::OrganizationId;
use sidetone_organizations::Organizations;
use sidetone_ports::Clock;
use sidetone_ports_embedded::{DataDir, SecretFiles, Store};
use sidetone_users_api::{ApiToken, Bearer, Caller, Guard, Operator, guarded, router};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::organization::{SIMULATED_ORGANIZATION, chosen};
use crate::platforms::LocalPlatforms;

/// The name under which changes of callers without a token stand in the history.
const LOCAL: &str = "this machine";

/// Connections of the API at once, where there are descriptors enough.
const CONNECTIONS_MAX: usize = 256;

/// How long a request may take; an import is 10,000 rows at most and comes in one body.
const SERVE_LIMITS: ServeLimits = ServeLimits {
    header_within: Duration::from_secs(5),
    body_within: Duration::from_secs(30),
    connection_within: Duration::from_secs(600),
    head_bytes_max: 16 * 1_024,
    headers_max: 100,
    refusals_max: 128,
};

/// Who is let in, and where.
pub(crate) struct Plan {
    listen: SocketAddr,
    guard: Guard,
    limits: GuardLimits,
}

/// Limits of the API's connections: people and a few programs use it.
fn guard_limits(sources: SourceRules, shares: Shares) -> GuardLimits {
    let connections_max = CONNECTIONS_MAX.min(shares.api);
    GuardLimits {
        listener: "api",
        connections_max,
        connections_per_source_max: connections_max.div_ceil(2),
        sources,
        failures_free: 5,
        delay_first: Duration::from_millis(250),
        delay_longest: Duration::from_secs(10),
    }
}

impl Plan {
    /// Reads what the configuration says, before anything starts.
    ///
    /// Errors: bad input if everybody would be let in, or nobody could be.
    pub(crate) fn new(
        config: &ApiConfig,
        data: &DataDir,
        sources: SourceRules,
        shares: Shares,
    ) -> Result<Self, Failure> {
        let guard = if config.tokens.is_empty() {
            let organization = chosen(config.organization, data)?;
            let organization: OrganizationId = organization.unwrap_or(SIMULATED_ORGANIZATION);
            let caller = Caller { organization, name: LOCAL.to_owned() };
            Guard::Loopback { caller, hosts: config.hosts.clone() }
        } else {
            let tokens = config.tokens.iter().map(|token| {
                let bearer = bearer_of(token)?;
                Ok(ApiToken { secret: token.secret()?.reveal().to_owned(), bearer })
            });
            Guard::Tokens(tokens.collect::<Result<_, Failure>>()?)
        };
        guard.check(config.listen).map_err(|error| {
            Failure::bad_input("the users API would not be safe")
                .because(error)
                .hint("listen on 127.0.0.1, or give [[api.tokens]] of random characters")
        })?;
        let limits = guard_limits(sources, shares);
        Ok(Self { listen: config.listen, guard, limits })
    }
}

/// Returns for whom a token speaks.
///
/// Errors: bad input if that is nobody, or two.
fn bearer_of(token: &ApiTokenConfig) -> Result<Bearer, Failure> {
    let name = token.name.clone();
    match (token.organization, token.operator) {
        (Some(organization), false) => Ok(Bearer::Caller(Caller { organization, name })),
        (None, true) => Ok(Bearer::Operator(Operator { name })),
        (Some(_), true) | (None, false) => {
            let what = format!("the token called {name} must have organization or operator = true");
            Err(Failure::bad_input(what).hint("one of them, in its [[api.tokens]]"))
        }
    }
}

/// The API, running.
pub(crate) struct UsersApi {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl UsersApi {
    /// Opens the address and serves the store's users and organizations.
    ///
    /// Errors: a fault if the address cannot be had.
    pub(crate) async fn start(
        plan: Plan,
        store: Store,
        platforms: LocalPlatforms,
        secrets: SecretFiles,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let closed = |error: std::io::Error| {
            Failure::fault(format!("the users API cannot listen on {}", plan.listen)).because(error)
        };
        let listener = TcpListener::bind(plan.listen).await;
        let listener = listener.map_err(closed)?;
        let address = listener.local_addr().map_err(closed)?;
        let organizations = Organizations::new(store.clone(), secrets);
        let organizations = sidetone_organizations_api::router(organizations, clock);
        let api = guarded(router(store, platforms, clock).merge(organizations), plan.guard);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let serving = tokio::spawn(async move {
            serve(listener, api, ListenerGuard::new(plan.limits), SERVE_LIMITS, stopped).await;
        });
        Ok(Self { address, stop, serving })
    }

    /// Answers what was asked, and ends.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // A panic there has been logged by the runtime.
        let _ = self.serving.await;
    }
}
