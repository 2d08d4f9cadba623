//! A file of users, imported: all of it, or a problem that names what is wrong with it.

use std::sync::Arc;

use axum::http::StatusCode;
use sidetone_model::OrganizationId;
use sidetone_ports::UserStore;
use sidetone_user_file::{ReadOptions, read};
use sidetone_users::{Absent, Intent, Users};

use crate::problem::Problem;
use crate::views::OutcomeView;

/// Imports a file into an organization, wherever it came from.
///
/// Errors: a [`Problem`] that names every bad row; nothing is imported then.
pub async fn import<S: UserStore>(
    users: &Users<S>,
    organization: OrganizationId,
    file: &[u8],
    options: &ReadOptions,
    absent: Absent,
    intent: Intent<'_>,
) -> Result<OutcomeView, Problem> {
    if file.is_empty() {
        return Err(no_users("the file is empty"));
    }
    let file = read(file, options)?;
    let (kept, ignored) = (file.kept(), file.ignored);
    let wanted: Vec<_> = file.users.into_iter().map(Arc::new).collect();
    if wanted.is_empty() {
        return Err(no_users("the file has no users"));
    }
    let outcome = users.put(organization, &wanted, &kept, absent, intent).await?;
    Ok(OutcomeView::new(outcome, intent == Intent::DryRun).ignoring(ignored))
}

fn no_users(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not a file of users", detail)
}
