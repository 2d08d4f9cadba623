//! Tests across crates; the code is in `it/`.
