//! Where everything is, for the tests and for whoever works with what runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::certificates::Trust;
use crate::cloud::{Cloud, Keys};
use crate::error::LocalError;
use crate::genesys::Genesys;
use crate::issuer::Issuer;

/// The variable in which tests find the addresses, as JSON.
pub const ADDRESSES_VARIABLE: &str = "SIDETONE_AWS_LOCAL";

/// A deployed stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// What it says of itself.
    pub outputs: BTreeMap<String, String>,
    /// Its API Gateway door, through the strict front.
    pub api_door: String,
    /// Its ALB door; nothing if it was not started.
    pub audio_door: Option<String>,
    /// Another one, which never pauses before the match.
    pub ready_door: Option<String>,
    /// Another one, which listens to everything.
    pub always_door: Option<String>,
}

impl Stack {
    /// Returns an output.
    ///
    /// Errors: [`LocalError::Missing`].
    pub fn output(&self, name: &str) -> Result<&str, LocalError> {
        let value = self.outputs.get(name).map(String::as_str);
        value.ok_or_else(|| LocalError::missing(format!("stack {}", self.name), name))
    }
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// The local AWS.
    pub endpoint: String,
    /// The certificate of the authority that vouches for it.
    pub authority: PathBuf,
    /// Its region.
    pub region: String,
    /// The owner of its account.
    pub keys: Keys,
    /// The stack as it is by default, with both doors.
    pub stack: Stack,
    /// The stack that takes media from text messages, and whose ALB door tracks calls as well.
    pub text_stack: Stack,
    /// The simulated Genesys Cloud, which the tracker of the usual stack knows. `up` runs it;
    /// otherwise whoever wants calls starts it there.
    pub genesys: Genesys,
    /// The one that the other stack knows: the same credentials at another address.
    pub text_genesys: Genesys,
    /// Who issues tokens for the users API of the usual stack.
    pub issuer: Issuer,
    /// The process ids of the local AWS, `ministack`, and of the ALB doors, `door…`.
    pub processes: BTreeMap<String, u32>,
    /// Where logs and state are.
    pub run: PathBuf,
    /// Where the built functions are: one folder each, by logical id.
    pub build: PathBuf,
}

impl Addresses {
    /// Reads them from the environment.
    ///
    /// Errors: [`LocalError::Missing`] if they are not there, with what to do.
    pub fn of_environment() -> Result<Self, LocalError> {
        let text = std::env::var(ADDRESSES_VARIABLE).map_err(|_| {
            LocalError::missing(ADDRESSES_VARIABLE, "addresses; run these tests by `make aws-test`")
        })?;
        serde_json::from_str(&text)
            .map_err(|_| LocalError::missing(ADDRESSES_VARIABLE, "addresses as aws-local has them"))
    }

    /// Writes them as [`Addresses::of_environment`] reads them.
    ///
    /// Errors: never in practice; it is all text and numbers.
    pub fn to_json(&self) -> Result<String, LocalError> {
        serde_json::to_string(self)
            .map_err(|_| LocalError::missing("the stack", "addresses that can be written"))
    }

    /// Returns the variables with which the AWS SDK, and what is built on it, finds it all.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let authority = self.authority.display().to_string();
        let mut variables = self.keys.environment();
        variables.push(("AWS_ENDPOINT_URL", self.endpoint.clone()));
        variables.push(("AWS_REGION", self.region.clone()));
        variables.push(("AWS_CA_BUNDLE", authority.clone()));
        variables.push(("SSL_CERT_FILE", authority));
        variables
    }

    /// Returns the local AWS, as its owner sees it.
    ///
    /// Errors: [`LocalError`] if there can be no HTTP client.
    pub fn cloud(&self) -> Result<Cloud, LocalError> {
        let trust = Trust::of(&self.authority)?;
        Ok(Cloud::new(&self.endpoint, self.keys.clone(), &trust)?)
    }
}
