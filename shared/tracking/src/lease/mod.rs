//! One tracker at a time manages an organization's notification channels; the next one takes
//! over while this one still listens.

mod holding;
mod tenure;
mod terms;

pub use holding::{Departure, Holding, Stay};
pub use tenure::{Mandate, Tenure};
pub(crate) use terms::organization_lease;
pub use terms::{Terms, lease_name};
