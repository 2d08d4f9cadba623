//! Learns that API Gateway lost a connection.

fn main() {}
