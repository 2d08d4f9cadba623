//! Who may come in: credentials, keys, signatures, replays; the same at every door.
//!
//! A door hands over a request's target and headers, and carries out the [`Verdict`] in its own
//! way. Refuses: sockets, servers, statuses; what a request is answered is the door's affair.

mod authenticator;
mod config;
mod keys;
mod log;
mod public_url;

#[cfg(test)]
mod tests;

pub use authenticator::{Admitted, Arrival, Authenticator, Verdict};
pub use config::{AdmissionConfig, Replays};
pub use log::{claimed_organization, note_refused_for};
pub use public_url::{PublicUrl, PublicUrlError};
