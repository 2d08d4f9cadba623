//! What goes wrong, in the words of the users API's problems.

use axum::http::StatusCode;
use sidetone_model::OrganizationId;
use sidetone_organizations::OrganizationsError;
use sidetone_ports::{SecretsError, chain};
use sidetone_users_api::{BadField, Problem};

/// There is none of that id within the asker's reach, wherever else there may be.
pub(crate) fn no_organization(id: OrganizationId) -> Problem {
    let detail = OrganizationsError::Unknown(id).to_string();
    Problem::new(StatusCode::NOT_FOUND, "no such organization", detail)
}

/// Says what went wrong.
pub(crate) fn problem(error: OrganizationsError) -> Problem {
    let detail = error.to_string();
    match error {
        OrganizationsError::Unknown(id) => no_organization(id),
        OrganizationsError::Exists(_) => {
            Problem::new(StatusCode::CONFLICT, "it is there already", detail)
        }
        OrganizationsError::Crowded(_) => Problem::new(StatusCode::CONFLICT, "try again", detail),
        OrganizationsError::Secrets(SecretsError::Taken) => Problem::new(
            StatusCode::CONFLICT,
            "not that key",
            "key: that id cannot be had; choose another one",
        ),
        OrganizationsError::Secrets(
            SecretsError::TooManyKeys { .. }
            | SecretsError::TooLongKeys { .. }
            | SecretsError::Full { .. },
        ) => Problem::new(StatusCode::CONFLICT, "limit reached", detail),
        OrganizationsError::Field { field, reason } => bad_field(field, reason),
        OrganizationsError::Store(error)
        | OrganizationsError::Secrets(SecretsError::Store(error)) => {
            // Who asked is not told what is behind the door.
            tracing::error!(error = chain(&error), "settings or secrets cannot be reached");
            let detail = "the organizations cannot be reached at the moment; try again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "try again", detail)
        }
    }
}

/// A field cannot be.
pub(crate) fn bad_field(field: &str, reason: impl Into<String>) -> Problem {
    let reason = reason.into();
    let detail = format!("{field}: {reason}");
    let bad = BadField { field: field.to_owned(), reason, ..BadField::default() };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad fields", detail).naming(vec![bad])
}
