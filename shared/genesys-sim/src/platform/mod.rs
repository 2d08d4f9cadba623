//! The platform side of Genesys Cloud: login, REST API and notification sockets.
//!
//! A pure core, `World`, answers each request for a given moment; a shell puts it behind
//! three listeners, as Genesys has three hosts. Limits are enforced as the description says,
//! and whatever a client does that the description forbids is kept as a [`Violation`].
//! Refuses: AudioHook, which has its own client, and any storage.
//! Source: genesys-cloud.md, sections 2, 3, 4 and 5.

mod answer;
mod call;
mod config;
mod delivery;
mod details;
mod directory;
mod groups;
mod login;
mod notifications;
mod queues;
mod quota;
mod server;
mod socket;
mod stats;
mod topic;
mod violation;
mod world;

pub use config::{
    Limits, PlatformConfig, SimClient, SimDivision, SimGroup, SimQueue, SimUser, UserState,
};
pub use delivery::Delivery;
pub use server::{Platform, PlatformError};
pub use stats::Stats;
pub use violation::{Breach, Violation};
pub use world::Failure;

#[cfg(test)]
mod tests;
