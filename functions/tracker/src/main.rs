//! Holds the notification sockets of an organization for some minutes.

fn main() {}
