//! The users of the simulated organization, in every deployed stack.

use sidetone_genesys_sim::Cast;
use sidetone_ports::UserStore;
use sidetone_ports_aws::{Aws, Tables};

use crate::addresses::{Addresses, Stack};
use crate::error::LocalError;

/// Provisions the cast's users, by the AWS of this process's environment.
///
/// Errors: [`LocalError`] if the tables cannot be written.
pub async fn provision(addresses: &Addresses) -> Result<(), LocalError> {
    // Fails only if somebody installed a provider before, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let aws = Aws::connect().await.map_err(|error| LocalError::Users(Box::new(error)))?;
    for stack in [&addresses.stack, &addresses.text_stack] {
        let store = aws.store(tables(stack)?);
        store
            .put_users(addresses.genesys.organization, &Cast::ours())
            .await
            .map_err(|error| LocalError::Users(Box::new(error)))?;
    }
    Ok(())
}

/// Returns the names of a stack's tables.
///
/// Errors: [`LocalError::Missing`].
pub fn tables(stack: &Stack) -> Result<Tables, LocalError> {
    Ok(Tables {
        calls: stack.output("CallsTable")?.to_owned(),
        users: stack.output("UsersTable")?.to_owned(),
        tracker: stack.output("TrackerTable")?.to_owned(),
    })
}
