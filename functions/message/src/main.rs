//! Takes one text message that reached API Gateway.

fn main() {}
