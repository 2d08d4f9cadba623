//! The AudioHook door whose connections API Gateway holds: one step per event.

mod connect;

pub use connect::{ConnectAnswer, ConnectRequest, Connector};
