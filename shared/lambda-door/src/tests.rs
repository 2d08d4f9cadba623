//! The door over ports in memory, on a clock that stands still.

mod crashes;
mod disorder;
mod endings;
mod faults;
mod media;
mod stage;
mod sweeping;
