//! The APIs of users and organizations beside the door of `sidetone run`, on an address of its own.

use std::net::SocketAddr;

use sidetone_bootstrap::{ApiConfig, ApiTokenConfig};
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

/// Who is let in, and where.
pub(crate) struct Plan {
    listen: SocketAddr,
    guard: Guard,
}

impl Plan {
    /// Reads what the configuration says, before anything starts.
    ///
    /// Errors: bad input if everybody would be let in, or nobody could be.
    pub(crate) fn new(config: &ApiConfig, data: &DataDir) -> Result<Self, Failure> {
        let guard = if config.tokens.is_empty() {
            let organization = chosen(config.organization, data)?;
            let organization: OrganizationId = organization.unwrap_or(SIMULATED_ORGANIZATION);
            Guard::Loopback(Caller { organization, name: LOCAL.to_owned() })
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
        Ok(Self { listen: config.listen, guard })
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
        let stopped = stop.clone().cancelled_owned();
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, api).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "the users API ended");
            }
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
