//! The users API: list, find, create, change, remove, import, export, sync, history, undo,
//! coverage.
//!
//! The contract is `openapi.json`, which is served and which the tests hold against the server.
//! The organization comes from the [`Caller`] alone, whom the host of the router puts beside
//! each request: a [`Guard`] in `sidetone run`, the authorizer's claims in a Lambda.
//! Whom to ask about an organization's people, the host says through [`Platforms`].
//! Refuses: naming an organization in a request.

mod caller;
mod genesys;
mod handlers;
mod import;
mod platforms;
mod problem;
mod router;
mod views;

pub use caller::{ApiToken, Bearer, Caller, Guard, GuardError, Operator, guarded};
pub use import::import;
pub use platforms::{NoClient, NoPlatforms, Platforms, TenantPlatforms};
pub use problem::{BadField, Problem};
pub use router::{OPENAPI, router};
pub use views::{OutcomeView, present};
