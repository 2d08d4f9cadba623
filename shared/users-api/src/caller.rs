//! Who calls, and for which organization.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use sidetone_listener::is_addressed_here;
use sidetone_model::OrganizationId;
use subtle::ConstantTimeEq;

use crate::problem::Problem;

/// Who calls, as whoever let them in knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The only organization whose users this caller can see or change.
    pub organization: OrganizationId,
    /// The name under which changes stand in the history.
    pub name: String,
}

/// Who operates the deployment: sets up organizations, and reaches nobody's users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name under which changes stand in the log.
    pub name: String,
}

/// Whom a guard lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// Somebody of one organization.
    Caller(Caller),
    /// Whoever operates the deployment.
    Operator(Operator),
    /// Both at once: whoever is on the machine.
    Both(Caller),
}

impl Bearer {
    fn name(&self) -> &str {
        match self {
            Self::Caller(caller) | Self::Both(caller) => &caller.name,
            Self::Operator(operator) => &operator.name,
        }
    }

    /// Puts whoever it is beside a request.
    pub fn put_beside<B>(self, request: &mut axum::http::Request<B>) {
        let beside = request.extensions_mut();
        match self {
            Self::Caller(caller) => drop(beside.insert(caller)),
            Self::Operator(operator) => drop(beside.insert(operator)),
            Self::Both(caller) => {
                beside.insert(Operator { name: caller.name.clone() });
                beside.insert(caller);
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        Err(match parts.extensions.get::<Operator>() {
            Some(_) => Problem::forbidden("an operator reaches organizations, and no users"),
            None => Problem::unauthorized(),
        })
    }
}

/// The fewest characters of a token: 128 random bits in base64 are 22.
const TOKEN_LENGTH_MIN: usize = 22;

/// A token, and for whom it speaks.
#[derive(Clone)]
pub struct ApiToken {
    /// What follows `Bearer`.
    pub secret: String,
    /// For whom it speaks.
    pub bearer: Bearer,
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiToken").field("bearer", &self.bearer).finish_non_exhaustive()
    }
}

/// Why an API cannot be guarded like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// Everybody who reaches the address would be let in.
    #[error("{0} can be reached from elsewhere, so tokens are needed")]
    Open(SocketAddr),
    /// A token can be guessed.
    #[error("the token called {name} is shorter than 22 characters")]
    Short {
        /// Its caller's name.
        name: String,
    },
}

/// Who is let in where no gateway has looked before.
#[derive(Debug, Clone)]
pub enum Guard {
    /// Whoever is on this machine, as that caller and as the operator.
    Loopback {
        /// Who that is.
        caller: Caller,
        /// Names under which requests may come besides those of this machine.
        hosts: Vec<String>,
    },
    /// Whoever has one of these tokens.
    Tokens(Vec<ApiToken>),
}

impl Guard {
    /// Checks that nobody is let in by accident.
    ///
    /// Errors: [`GuardError`].
    pub fn check(&self, listen: SocketAddr) -> Result<(), GuardError> {
        match self {
            Self::Loopback { .. } if !listen.ip().is_loopback() => Err(GuardError::Open(listen)),
            Self::Loopback { .. } => Ok(()),
            Self::Tokens(tokens) => {
                let short = |token: &&ApiToken| token.secret.len() < TOKEN_LENGTH_MIN;
                tokens.iter().find(short).map_or(Ok(()), |token| {
                    Err(GuardError::Short { name: token.bearer.name().to_owned() })
                })
            }
        }
    }

    fn bearer(&self, request: &Request) -> Result<Bearer, Problem> {
        match self {
            // A page in this machine's browser is not this machine's user.
            Self::Loopback { .. } if request.headers().contains_key(ORIGIN) => {
                Err(Problem::forbidden("a page in a browser must have a token"))
            }
            Self::Loopback { caller, hosts } => {
                let allowed = |name: &str| hosts.iter().any(|host| name.eq_ignore_ascii_case(host));
                if !is_addressed_here(request.headers(), request.uri(), allowed) {
                    return Err(Problem::misdirected());
                }
                Ok(Bearer::Both(caller.clone()))
            }
            Self::Tokens(tokens) => {
                let given = request.headers().get(AUTHORIZATION).and_then(|it| it.to_str().ok());
                let given = given.and_then(|given| {
                    let (scheme, token) = given.split_once(' ')?;
                    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
                });
                let given = given.ok_or_else(Problem::unauthorized)?;
                let fits =
                    |token: &&ApiToken| bool::from(token.secret.as_bytes().ct_eq(given.as_bytes()));
                let found = tokens.iter().find(fits).ok_or_else(Problem::unauthorized)?;
                Ok(found.bearer.clone())
            }
        }
    }
}

/// Lets nobody through whom the guard does not know.
pub fn guarded(router: Router, guard: Guard) -> Router {
    router.layer(from_fn_with_state(Arc::new(guard), admit))
}

async fn admit(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    match guard.bearer(&request) {
        Ok(bearer) => {
            bearer.put_beside(&mut request);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}
