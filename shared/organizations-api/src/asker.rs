//! Who asks, and how far that reaches.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sidetone_model::OrganizationId;
use sidetone_users_api::{Caller, Operator, Problem};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asker {
    /// The name under which changes stand in the log and the history.
    pub(crate) name: String,
    /// The only organization that this one can see or change; nothing for an operator.
    pub(crate) only: Option<OrganizationId>,
}

impl Asker {
    /// Returns whether an organization is within reach.
    pub(crate) fn reaches(&self, id: OrganizationId) -> bool {
        self.only.is_none_or(|only| only == id)
    }

    /// Makes sure that this is an operator.
    ///
    /// Errors: a [`Problem`] with status 403.
    pub(crate) fn operates(&self) -> Result<(), Problem> {
        match self.only {
            None => Ok(()),
            Some(_) => Err(Problem::forbidden("only an operator of the deployment may do that")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if let Some(Operator { name }) = parts.extensions.get() {
            return Ok(Self { name: name.clone(), only: None });
        }
        let caller: Option<&Caller> = parts.extensions.get();
        let caller = caller.ok_or_else(Problem::unauthorized)?;
        Ok(Self { name: caller.name.clone(), only: Some(caller.organization) })
    }
}
