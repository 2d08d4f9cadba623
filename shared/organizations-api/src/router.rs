//! Which request goes to whom.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Uri};
use axum::response::IntoResponse;
use axum::routing::get;
use sidetone_organizations::Organizations;
use sidetone_ports::{Clock, OrganizationSecrets, OrganizationStore};
use sidetone_users_api::Problem;

use crate::handlers::{self, Api};

/// The API's contract.
///
/// **Shape** OpenAPI 3.1.
pub const OPENAPI: &str = include_str!("openapi.json");

/// The largest request: twenty OAuth clients and a thousand queues.
const JSON_BYTES_MAX: usize = 1024 * 1024;

/// Serves the organizations; each request must have an [`Operator`] or a [`Caller`] beside it.
/// To be merged with the router of the users API.
///
/// [`Operator`]: sidetone_users_api::Operator
/// [`Caller`]: sidetone_users_api::Caller
pub fn router<S, X>(organizations: Organizations<S, X>, clock: Clock) -> Router
where
    S: OrganizationStore,
    X: OrganizationSecrets,
{
    let all = get(handlers::list::<S, X>).post(handlers::create::<S, X>);
    let one = get(handlers::show::<S, X>)
        .patch(handlers::change::<S, X>)
        .delete(handlers::remove::<S, X>);
    let history = get(handlers::history::<S, X>);
    Router::new()
        .route("/v1/organizations", all.fallback(not_like_that))
        .route("/v1/organizations/openapi.json", get(openapi))
        .route("/v1/organizations/{organization}", one.fallback(not_like_that))
        .route("/v1/organizations/{organization}/history", history.fallback(not_like_that))
        .layer(DefaultBodyLimit::max(JSON_BYTES_MAX))
        .with_state(Api { organizations, clock })
}

async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI)
}

async fn not_like_that(method: Method, uri: Uri) -> Problem {
    Problem::not_like_that(&method, &uri)
}
