//! The AudioHook door whose connections API Gateway holds: one step per event.
//!
//! API Gateway takes no binary messages, so this door hears calls only from relays that send
//! media as text; every other call it accepts without audio, and says so in the stream. No
//! process holds a connection: its state is one item of a store, and any number of invocations
//! may step it, in any order, twice, and die in between.
//!
//! Refuses: knowing AWS. Functions translate events, `ports-aws` does the rest.

mod arrival;
mod chance;
mod config;
mod connect;
mod desk;
mod door;
mod errand;
mod inbox;
mod last_resort;
mod note;
mod order;
mod state;
mod step;
mod sweep;
mod work;

pub use config::{DoorConfig, Pace};
pub use connect::{ConnectAnswer, ConnectRequest, Connector};
pub use door::{DisconnectEvent, Door, MessageEvent, admit};

#[cfg(test)]
mod tests;
