//! Why a command did not do what it was asked, as a person is told.

use std::error::Error;
use std::process::ExitCode;

use sidetone_bootstrap::ConfigError;
use sidetone_consumer::ConsumerError;
use sidetone_ports::{SourceError, StoreError};
use sidetone_ports_embedded::{DataDirError, KeyFileError, OpenError};
use sidetone_user_file::{FieldError, RowErrors};
use sidetone_users::UsersError;

use crate::system::SystemError;

/// How a command ends; the help texts say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something outside did not work.
    Fault = 1,
    /// The user said something that cannot be.
    BadInput = 2,
    /// What was judged is not as it should be.
    VerdictNo = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked: what, why, and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Failure {
    exit: Exit,
    what: String,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
    rows: Option<Box<RowErrors>>,
}

impl Failure {
    /// Something outside did not work.
    pub fn fault(what: impl Into<String>) -> Self {
        Self::new(Exit::Fault, what.into())
    }

    /// The user said something that cannot be.
    pub fn bad_input(what: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, what.into())
    }

    /// Whoever read our output has gone: a reason to stop, and none to complain.
    pub fn nobody_reads() -> Self {
        Self::new(Exit::Done, "nobody reads the output".to_owned())
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Adds the bad rows of a file.
    #[must_use]
    pub fn rows(self, rows: Box<RowErrors>) -> Self {
        Self { rows: Some(rows), ..self }
    }

    /// Returns how the command ends.
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns whether there is nothing to tell.
    pub fn is_silent(&self) -> bool {
        self.exit == Exit::Done
    }

    pub(crate) fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(crate) fn bad_rows(&self) -> Option<&RowErrors> {
        self.rows.as_deref()
    }

    /// Returns the causes, nearest first.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }

    /// Returns what failed with its causes and the next step in one line, for an answer that
    /// is worth having without what failed.
    pub(crate) fn in_words(&self) -> String {
        let mut words = vec![self.what.clone()];
        words.extend(self.causes());
        let hint = self.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        words.join(": ") + &hint
    }

    const fn new(exit: Exit, what: String) -> Self {
        Self { exit, what, cause: None, hint: None, rows: None }
    }

    /// Takes an error over whole: its own words, then its causes.
    fn of(exit: Exit, error: impl Error) -> Self {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        let cause = causes
            .into_iter()
            .rev()
            .fold(None, |source, text| Some(Box::new(Cause { text, source })));
        let cause = cause.map(|cause| cause as Box<dyn Error + Send + Sync>);
        Self { cause, ..Self::new(exit, error.to_string()) }
    }
}

/// One link of a chain of causes, in words.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::of(Exit::BadInput, error)
    }
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        Self::of(Exit::Fault, error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let nothing_yet = matches!(error, OpenError::Missing { .. });
        let failure = Self::of(Exit::Fault, error);
        if nothing_yet { failure.hint(RUN_FIRST) } else { failure }
    }
}

/// What to do where nothing was written yet.
pub(crate) const RUN_FIRST: &str =
    "start `sidetone run` first, or name the directory it uses with --data";

/// What to do where many users would be removed and no person can be asked.
const CONFIRM_HINT: &str = "add --yes if that is meant; --dry-run shows who would be removed";

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of(Exit::Fault, error)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::of(Exit::Fault, error)
    }
}

impl From<ConsumerError> for Failure {
    fn from(error: ConsumerError) -> Self {
        Self::of(Exit::Fault, error)
    }
}

impl From<SystemError> for Failure {
    fn from(error: SystemError) -> Self {
        let taken = matches!(&error, SystemError::Door { .. });
        let failure = Self::of(Exit::Fault, error);
        if taken { failure.hint("choose another address with --listen") } else { failure }
    }
}

impl From<UsersError> for Failure {
    fn from(error: UsersError) -> Self {
        match error {
            UsersError::Store(error) => error.into(),
            error @ UsersError::Crowded => Self::of(Exit::Fault, error),
            UsersError::Fields { errors } => {
                let shown: Vec<_> = errors.iter().map(FieldError::shown).collect();
                Self::bad_input(shown.join("; "))
            }
            error @ UsersError::ManyRemoved { .. } => {
                Self::of(Exit::BadInput, error).hint(CONFIRM_HINT)
            }
            error @ (UsersError::Unknown { .. }
            | UsersError::Exists { .. }
            | UsersError::NoChange { .. }
            | UsersError::ChangedSince { .. }) => Self::of(Exit::BadInput, error),
        }
    }
}

#[cfg(feature = "aws")]
impl From<sidetone_ports_aws::StackError> for Failure {
    fn from(error: sidetone_ports_aws::StackError) -> Self {
        use sidetone_ports_aws::StackError;
        let exit = match &error {
            StackError::NoStack { .. } | StackError::NoOutput { .. } => Exit::BadInput,
            StackError::NoCredentials { .. } | StackError::Unavailable { .. } => Exit::Fault,
        };
        Self::of(exit, error)
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        let exit = match &error {
            KeyFileError::TooOpen { .. }
            | KeyFileError::Malformed { .. }
            | KeyFileError::TooLarge { .. }
            | KeyFileError::Full { .. }
            | KeyFileError::File { .. } => Exit::Fault,
            KeyFileError::Incomplete { .. } => Exit::BadInput,
        };
        Self::of(exit, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_chain_of_causes() {
        let refused = std::io::Error::other("disk on fire");
        let error = StoreError::unavailable("list users", refused);
        let failure = Failure::from(error);
        assert_eq!(failure.to_string(), "the store failed to list users");
        assert_eq!(failure.causes(), ["disk on fire"]);
        assert_eq!(failure.exit(), Exit::Fault);
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        let failure = Failure::nobody_reads();
        assert!(failure.is_silent());
        assert_eq!(failure.exit(), Exit::Done);
    }
}
