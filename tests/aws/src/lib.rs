//! The system on a local AWS: starts it, deploys the template, and lends a hand to the tests of
//! what runs there.

mod addresses;
mod args;
mod certificates;
mod child;
mod cloud;
mod deployment;
mod door;
mod empty_root;
mod emulator;
mod error;
mod free_ports;
mod front;
mod genesys;
mod issuer;
mod judge;
mod progress;
mod provision;
mod requests;
mod running;
mod simulations;
mod tools;

pub use addresses::{ADDRESSES_VARIABLE, Addresses, Stack};
pub use args::{Args, Command, StartArgs};
pub use certificates::Trust;
pub use child::Child;
pub use cloud::{Cloud, CloudError, Invoked, Keys, REGION};
pub use deployment::put_secret;
pub use error::LocalError;
pub use free_ports::free_ports;
pub use front::{Api, AskConnect, Front, FrontConfig, Limits};
pub use genesys::{Genesys, ORGANIZATION, random_secret};
pub use issuer::Issuer;
pub use judge::judge;
pub use progress::Progress;
pub use provision::{provision, tables};
pub use requests::{Callers, Requests};
pub use running::Running;
