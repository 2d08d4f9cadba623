//! The twins against a local AWS: every suite of the testkit, and what only these promise.
//!
//! Built with the feature `local-aws` alone, so that nothing passes where no AWS is. Its address,
//! its region and credentials are in the variables of the SDK; `aws-local test` sets them.

mod common;
mod store;
mod troubles;
mod twins;
mod users;
