//! One file, imported once.
//!
//! Events come at least once and in any order. A file whose result stands already, or that of a
//! later one under the same key, is left; one that was replaced or deleted meanwhile too, as the
//! other has an event of its own. What can never be imported gets a result that says why; what
//! failed for a moment fails the invocation, and Lambda gives the event again.

use http::StatusCode;
use serde::Serialize;
use sidetone_lambda_start::HandlerError;
use sidetone_model::OrganizationId;
use sidetone_ports::{ChangeOrigin, ChangeWay, Clock, OrganizationStore, StoreError, UserStore};
use sidetone_user_file::{FILE_BYTES_MAX, FileError, ReadOptions};
use sidetone_users::{Counts, Intent, Users};
use sidetone_users_api::{OutcomeView, Problem, import};

use crate::event::{Object, ObjectCreated};
use crate::files::Files;
use crate::place::Place;
use crate::result::{Earlier, ImportResult, key_of_result};

/// What a file's name ends with, in any case: text is imported, and of a workbook the result says
/// how it is saved as text.
const ENDINGS: [&str; 6] = [".csv", ".txt", ".tsv", ".xlsx", ".xls", ".ods"];

/// Handles the function's events.
pub(crate) struct Handler<S, F> {
    bucket: String,
    store: S,
    files: F,
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "became", rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// The file was imported.
    Imported {
        /// How many users became what.
        counts: Counts,
        /// The number of the change; absent if nothing changed.
        change: Option<u64>,
    },
    /// Nothing was imported; the result says why.
    Refused {
        /// The status with which the users API would have refused.
        status: u16,
    },
    /// A result stands already.
    Known,
    /// The file was replaced or deleted meanwhile.
    Gone,
    /// It is no file of users.
    Nothing,
}

impl<S: UserStore + OrganizationStore, F: Files> Handler<S, F> {
    /// Prepares to import the files of a bucket.
    pub(crate) const fn new(bucket: String, store: S, files: F) -> Self {
        Self { bucket, store, files }
    }

    /// Handles one event.
    ///
    /// Errors: bucket or store did not do what was asked of them; or the event is of another
    /// bucket.
    pub(crate) async fn handle(
        &self,
        event: ObjectCreated,
        clock: Clock,
    ) -> Result<Answer, HandlerError> {
        let ObjectCreated { detail } = event;
        if detail.bucket.name != self.bucket {
            return Err("the event is of another bucket than SIDETONE_USERS_BUCKET".into());
        }
        let object = detail.object;
        let key = object.key.to_lowercase();
        if !ENDINGS.iter().any(|ending| key.ends_with(ending)) {
            return Ok(Answer::Nothing);
        }
        if self.is_known(&object).await? {
            tracing::info!(sequencer = object.sequencer, "a file of users came once more");
            return Ok(Answer::Known);
        }
        match self.import(&object, clock).await? {
            Some(imported) => self.tell(&object, imported, clock).await,
            None => {
                tracing::info!(sequencer = object.sequencer, "a file of users is gone");
                Ok(Answer::Gone)
            }
        }
    }

    async fn is_known(&self, object: &Object) -> Result<bool, StoreError> {
        let earlier = self.files.result(&key_of_result(&object.key)).await?;
        // A result that cannot be read was not written here, and says nothing.
        let earlier: Option<Earlier> = earlier.and_then(|json| serde_json::from_slice(&json).ok());
        Ok(earlier.is_some_and(|earlier| earlier.covers(object)))
    }

    /// Imports a file, or says why not; nothing if it is not there.
    async fn import(
        &self,
        object: &Object,
        clock: Clock,
    ) -> Result<Option<Result<OutcomeView, Problem>>, HandlerError> {
        let refused = |problem| Ok(Some(Err(problem)));
        let Place { organization, absent } = match Place::of(&object.key) {
            Ok(place) => place,
            Err(misplaced) => return refused(not_imported(misplaced.to_string())),
        };
        if !self.is_served(organization).await? {
            let detail = format!(
                "no organization {organization} is served here; enter it with `sidetone org add`"
            );
            return refused(not_imported(detail));
        }
        if object.size > FILE_BYTES_MAX {
            return refused(FileError::TooLarge { max: FILE_BYTES_MAX }.into());
        }
        let Some(file) = self.files.file(&object.key, &object.etag).await? else {
            return Ok(None);
        };
        let by = format!("s3://{}/{}", self.bucket, object.key);
        let origin = ChangeOrigin { at: clock.now(), by, way: ChangeWay::File };
        let users = Users::new(self.store.clone());
        let (intent, options) = (Intent::Commit(&origin), ReadOptions::default());
        match import(&users, organization, &file, &options, absent, intent).await {
            // What is behind it has been logged; the file has done nothing wrong.
            Err(problem) if problem.status().is_server_error() => {
                Err("the users could not be changed; the event is to be given again".into())
            }
            imported => Ok(Some(imported)),
        }
    }

    /// Returns whether an organization is one of those that were entered, if any were, or had
    /// users before; that of the configured OAuth client need not be entered.
    async fn is_served(&self, organization: OrganizationId) -> Result<bool, StoreError> {
        let entered = self.store.organizations().await?;
        let is_entered = entered.is_empty() || entered.iter().any(|one| one.id == organization);
        Ok(is_entered || self.store.user_revision(organization).await? > 0)
    }

    /// Writes the result, and says in the log how many, never who.
    async fn tell(
        &self,
        object: &Object,
        imported: Result<OutcomeView, Problem>,
        clock: Clock,
    ) -> Result<Answer, HandlerError> {
        let answer = match &imported {
            Ok(outcome) => Answer::Imported { counts: *outcome.counts(), change: outcome.change() },
            Err(problem) => Answer::Refused { status: problem.status().as_u16() },
        };
        let (outcome, problem) = match imported {
            Ok(outcome) => (Some(outcome), None),
            Err(problem) => (None, Some(problem)),
        };
        let result = ImportResult {
            at: clock.now().to_string(),
            file: &object.key,
            etag: &object.etag,
            sequencer: &object.sequencer,
            outcome,
            problem,
        };
        let json = serde_json::to_vec_pretty(&result)?;
        self.files.put_result(&key_of_result(&object.key), json.into()).await?;
        log(&object.sequencer, &answer);
        Ok(answer)
    }
}

fn not_imported(detail: String) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no such organization", detail)
}

fn log(sequencer: &str, answer: &Answer) {
    match answer {
        Answer::Imported { counts, change } => {
            let Counts { added, changed, moved, removed, unchanged } = counts;
            tracing::info!(
                sequencer,
                change,
                added,
                changed,
                moved,
                removed,
                unchanged,
                "a file of users was imported"
            );
        }
        Answer::Refused { status } => {
            tracing::warn!(sequencer, status, "a file of users was refused; its result says why");
        }
        Answer::Known | Answer::Gone | Answer::Nothing => {}
    }
}

#[cfg(test)]
mod tests;
