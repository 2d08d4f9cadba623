//! The twins of every port on AWS; the only crate that knows the SDK.
//!
//! [`Aws`] settles how AWS is reached and hands out the twins. Errors carry the SDK's own words
//! in their chain, so that a log names the action that was denied and the role it was denied to.

mod bucket;
mod connect;
mod failure;
mod line;
mod recordings;
mod secrets;
#[cfg(feature = "stack")]
mod stack;
mod store;
mod stream;
#[cfg(test)]
mod testing;
mod user_files;

pub use connect::{Aws, ConnectError};
pub use line::ManagementLine;
pub use recordings::BucketRecordings;
pub use secrets::{
    GenesysClient, GenesysClients, GenesysSecret, ManagedSecrets, MoreGenesysClient, SecretText,
    SecretsSource,
};
#[cfg(feature = "stack")]
pub use stack::{StackError, StackOutputs};
pub use store::{DynamoStore, Tables};
pub use stream::{Begin, KinesisSink, KinesisSource};
pub use user_files::BucketUserFiles;
