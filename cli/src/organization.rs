//! Whose users and keys are meant, where the command line does not say.

use std::collections::BTreeSet;

use sidetone_model::OrganizationId;
use sidetone_ports::OrganizationStore;
use sidetone_ports_embedded::{DataDir, KeyFile, Store};
use uuid::Uuid;

use crate::failure::Failure;

/// The tenant of the simulated Genesys Cloud.
pub const SIMULATED_ORGANIZATION: OrganizationId =
    OrganizationId::new(Uuid::from_u128(0x0f0e_0d0c_0b0a_4908_8706_0504_0302_0100));

/// The tenant of another simulated Genesys Cloud.
pub(crate) const NEIGHBOUR_ORGANIZATION: OrganizationId =
    OrganizationId::new(Uuid::from_u128(0x1f1e_1d1c_1b1a_4918_8716_1514_1312_1110));

/// Returns the organizations that have a key in a data directory.
///
/// Errors: the key file cannot be used.
pub(crate) fn known(data: &DataDir) -> Result<BTreeSet<OrganizationId>, Failure> {
    let keys = KeyFile::open(&data.keys())?.keys()?;
    Ok(keys.into_iter().flat_map(|key| key.organizations).collect())
}

/// Returns the organization that was named, else the only one that has a key; nothing if none
/// has.
///
/// Errors: bad input if several have.
pub(crate) fn chosen(
    named: Option<OrganizationId>,
    data: &DataDir,
) -> Result<Option<OrganizationId>, Failure> {
    if named.is_some() {
        return Ok(named);
    }
    only_one(&known(data)?)
}

/// Returns the organization that has a key or is set up in a data directory, if it is one.
///
/// Errors: bad input if they are several.
pub(crate) async fn served(
    data: &DataDir,
    store: &Store,
) -> Result<Option<OrganizationId>, Failure> {
    let mut served = known(data)?;
    served.extend(store.organizations().await?.into_iter().map(|one| one.id));
    only_one(&served)
}

fn only_one(known: &BTreeSet<OrganizationId>) -> Result<Option<OrganizationId>, Failure> {
    if known.len() > 1 {
        let ids: Vec<String> = known.iter().map(ToString::to_string).collect();
        return Err(Failure::bad_input("several organizations are served here")
            .hint(format!("say which with --organization, one of {}", ids.join(", "))));
    }
    Ok(known.first().copied())
}
