//! Legs on their way into the store, and calls that had no audio on theirs into the stream.

mod attribute;
mod deltas;
mod lag;
mod partition;
mod publish;
mod seen;
mod worker;

pub(crate) use attribute::attribution_of;
pub(crate) use deltas::add as add_delta;
pub(crate) use lag::fresh_moment;
pub use lag::{LagFigures, Lags};
pub(crate) use partition::{Partition, Tell, read, save};
pub use publish::PublishError;
pub(crate) use publish::{publish, publish_wrap_ups};
pub(crate) use seen::{SEEN_LIFE, Seen, seen_agents};
pub(crate) use worker::{Means, WORKERS, Worker};
