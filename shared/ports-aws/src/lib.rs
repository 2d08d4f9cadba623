//! The twins of every port on AWS; the only crate that knows the SDK.
