//! Finding what nobody told of while no socket was open.
//!
//! A gap is known by its beginning: when somebody listened last. It is mended by asking
//! analytics for the calls that go on and those that ended since, and folding their records in
//! as if they had been heard; what is known already changes nothing.
//! Source: docs/wire/notification.md, "Repair".

mod gaps;
mod mark;
mod mender;

pub(crate) use gaps::Gaps;
pub(crate) use mark::{Mark, keep_mark};
pub(crate) use mender::Mender;
