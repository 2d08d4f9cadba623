//! The long-lived door as a service behind a load balancer.

fn main() {}
