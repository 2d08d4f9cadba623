//! The door over ports in memory, on a clock that stands still.

mod crashes;
mod disorder;
mod embedded;
mod endings;
mod faults;
mod hostile;
mod media;
mod stage;
mod sweeping;
