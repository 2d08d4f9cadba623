//! Which request goes to whom.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use sidetone_ports::{CallStore, Clock, OrganizationStore, UserStore};
use sidetone_user_file::FILE_BYTES_MAX;

use crate::genesys::{self, Asking};
use crate::handlers::{self, Api};
use crate::platforms::Platforms;
use crate::problem::Problem;

/// The API's contract.
///
/// **Shape** OpenAPI 3.1.
pub const OPENAPI: &str = include_str!("openapi.json");

/// The largest request that is no file: a user with every field at its limit, and JSON around.
const JSON_BYTES_MAX: usize = 64 * 1024;

/// Serves the users of a store, and asks Genesys through the clients of a host; each request must
/// have a [`crate::Caller`] beside it.
pub fn router<S, P>(store: S, platforms: P, clock: Clock) -> Router
where
    S: UserStore + CallStore + OrganizationStore,
    P: Platforms,
{
    let asking = Router::new()
        .route("/v1/coverage", get(genesys::coverage::<S, P>))
        .route("/v1/users/{agent}", post(genesys::sync::<S, P>))
        .with_state(Asking { store: store.clone(), platforms, clock });
    // One byte more, so that the file's own limit speaks.
    let file_bytes_max = usize::try_from(FILE_BYTES_MAX).unwrap_or(usize::MAX).saturating_add(1);
    let import = post(handlers::import::<S>).layer(DefaultBodyLimit::max(file_bytes_max));
    let users = get(handlers::list::<S>).post(handlers::create::<S>);
    let user = get(handlers::find::<S>).patch(handlers::change::<S>).delete(handlers::remove::<S>);
    Router::new()
        .route("/v1/users", users)
        .route("/v1/users/{agent}", user)
        .route("/v1/export", get(handlers::export::<S>))
        .route("/v1/history", get(handlers::history::<S>))
        .route("/v1/changes/{change}/undo", post(handlers::undo::<S>))
        .route("/v1/openapi.json", get(openapi))
        .with_state(Api::new(store.clone(), clock))
        .merge(asking)
        .layer(DefaultBodyLimit::max(JSON_BYTES_MAX))
        .merge(Router::new().route("/v1/import", import).with_state(Api::new(store, clock)))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_like_that)
}

async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI)
}

async fn nothing_here() -> Problem {
    let detail = "see /v1/openapi.json for what there is";
    Problem::new(StatusCode::NOT_FOUND, "nothing here", detail)
}

async fn not_like_that(method: Method, uri: Uri) -> Problem {
    Problem::not_like_that(&method, &uri)
}
