//! What every HTTP listener shares: how many connections it holds, how many of one source, how
//! long a request may take, how refusals are delayed, counted and logged.
//!
//! The door and the users API listen with the same [`Guard`], so that what protects one protects
//! the other. Refuses: deciding who is authenticated; the listener's owner does.

mod backoff;
mod connections;
mod descriptors;
mod guard;
mod host;
mod sampler;
mod serve;
mod source;

pub use backoff::{Backoff, Penalty};
pub use connections::{Busy, Connection, Evicted};
pub use descriptors::Shares;
pub use guard::{Guard, GuardLimits};
pub use host::is_addressed_here;
pub use sampler::Sampler;
pub use serve::{ServeLimits, serve};
pub use source::{Source, SourceRules};
