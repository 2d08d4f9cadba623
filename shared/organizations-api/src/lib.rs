//! The organizations API: list, show, add, change and remove what is served, and whose secrets; and
//! who did so.
//!
//! The contract is `openapi.json`, which is served and which the tests hold against the server.
//! An operator of the deployment reaches all organizations, a caller of one organization its own
//! alone: another's is not told from one that does not exist. Secrets go in and never come out.
//! Who asks, the host of the router puts beside each request, as for the users API: an
//! [`Operator`](sidetone_users_api::Operator), or a [`Caller`](sidetone_users_api::Caller).

mod asker;
mod handlers;
mod problem;
mod router;
mod views;

pub use router::{OPENAPI, router};
