//! The Genesys Cloud platform API, as far as a tracker needs it.
//!
//! Refuses: hosts outside the region table or this machine, redirects, and any wait that the
//! caller should know about. Secrets, tokens and notification channels are never logged.
//! Source: docs/wire/notification.md, "Platform API".

mod answer;
mod budget;
mod channels;
mod client;
mod details;
mod error;
mod hosts;
mod preflight;
mod queues;
mod reference;
mod token;
mod users;

pub use channels::{NotificationChannel, RejectedTopic};
pub use client::PlatformClient;
pub(crate) use details::{DetailsQuery, Wanted};
pub use error::PlatformError;
pub use hosts::{Hosts, HostsError, PlaceError};
pub use preflight::{NeededTopic, TopicPreflight, Transport};
pub(crate) use queues::Named;
pub use queues::{GenesysQueue, QueueMember};
pub use reference::follow_genesys_time;
pub(crate) use users::Listed;
