//! The system on a local AWS: starts it, deploys the template, and tests what runs there.

fn main() {}
