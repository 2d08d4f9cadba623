//! One binary for every test across crates: it links once.

mod tidy;
