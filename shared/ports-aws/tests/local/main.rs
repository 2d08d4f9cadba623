//! The twins against a local AWS: every suite of the testkit, and what only these promise.
//!
//! Built with the feature `local-aws` alone, so that nothing passes where no AWS is. The
//! address of one is in `SIDETONE_TEST_AWS`, such as `http://127.0.0.1:4566`.

mod common;
mod store;
mod troubles;
mod twins;
mod users;
