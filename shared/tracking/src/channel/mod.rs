//! Notification channels and the sockets on them.

mod holder;
mod intake;
mod pace;
mod socket;

pub(crate) use holder::Holder;
pub(crate) use intake::{HEARD_MAX, Heard, Intake};
pub(crate) use pace::Pace;
pub(crate) use socket::STALL;
