//! Why the local AWS is not there.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::cloud::CloudError;

/// Why something did not start, deploy or end well.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A program cannot be started.
    #[error("cannot start {program}")]
    Program {
        /// Which.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program ended badly.
    #[error("{what} failed ({status}); its output is in {}", log.display())]
    Failed {
        /// What it was to do.
        what: String,
        /// How it ended.
        status: String,
        /// What it said.
        log: PathBuf,
    },
    /// A program does not do what it was started for.
    #[error("{what} did not answer within {limit:?}; its output is in {}", log.display())]
    Silent {
        /// Which.
        what: String,
        /// How long it had.
        limit: Duration,
        /// What it said.
        log: PathBuf,
    },
    /// A file cannot be used.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody may listen on this machine.
    #[error("cannot listen on this machine")]
    Listen(#[source] io::Error),
    /// There can be no HTTP client.
    #[error("cannot make an HTTP client")]
    Http(#[source] reqwest::Error),
    /// There can be no certificate.
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
    /// A certificate cannot be trusted.
    #[error("cannot trust {}", path.display())]
    Trust {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The simulated Genesys Cloud does not start.
    #[error("the simulated Genesys Cloud does not start")]
    Genesys(#[source] sidetone_genesys_sim::PlatformError),
    /// A request to the local AWS failed.
    #[error("the local AWS refused")]
    Cloud(#[from] CloudError),
    /// What was deployed, or said, lacks something.
    #[error("{place} has no {what}")]
    Missing {
        /// Where it should be.
        place: String,
        /// What is missing.
        what: String,
    },
    /// The users cannot be provisioned.
    #[error("cannot provision users")]
    Users(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The tests failed.
    #[error("the tests failed")]
    Tests,
}

impl LocalError {
    /// Says that `place` has no `what`.
    pub fn missing(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Missing { place: place.into(), what: what.into() }
    }

    /// Returns the end of what the program said that failed.
    pub(crate) fn last_words(&self) -> Vec<String> {
        const LINES: usize = 30;
        let (Self::Failed { log, .. } | Self::Silent { log, .. }) = self else { return Vec::new() };
        let said = std::fs::read(log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].iter().map(|&line| line.to_owned()).collect()
    }
}
