//! Turns the stream into recordings.

fn main() {}
