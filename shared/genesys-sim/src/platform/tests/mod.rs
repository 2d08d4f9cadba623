//! The platform over real sockets, driven by a foreign HTTP client and WebSocket library.

mod client;
mod details;
mod lists;
mod rest;
mod sockets;
