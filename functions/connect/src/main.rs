//! Decides on a handshake that reaches API Gateway.

fn main() {}
