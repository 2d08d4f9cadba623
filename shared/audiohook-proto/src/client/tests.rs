//! Dialogues with a scripted server, on a virtual clock.

mod bench;
mod duet;
mod faults;
mod pauses;
mod stream;
mod timers;
