//! What ECS tells a task of itself, and how the task is asked to be left alone.
//!
//! Source: "Amazon ECS task metadata endpoint version 4" and "Amazon ECS task scale-in
//! protection endpoint" in AWS's developer guide. Both are plain HTTP on a link-local address.

use std::time::Duration;

use serde::Deserialize;
use sidetone_ports::chain;

/// Where the task may read about itself.
const METADATA_VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";
/// Where the task may ask the agent for something.
const AGENT_VARIABLE: &str = "ECS_AGENT_URI";

/// How long one request may take; both answer from within the machine.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// Why ECS did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EcsError {
    /// It did not answer, or not in the way it should.
    #[error("ECS does not answer")]
    Request(#[from] reqwest::Error),
    /// It answered that it does not.
    #[error("ECS refuses: {0}")]
    Refused(String),
    /// The task has no id that could be read.
    #[error("{0:?} is no ARN of a task")]
    Arn(String),
}

/// The task on which this process runs.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// Absent outside ECS.
    http: Option<reqwest::Client>,
    metadata: Option<String>,
    agent: Option<String>,
}

#[derive(Deserialize)]
struct TaskMetadata {
    #[serde(rename = "TaskARN")]
    arn: String,
}

/// One of the three is there.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ProtectionAnswer {
    protection: Option<Protection>,
    failure: Option<Reason>,
    error: Option<Reason>,
}

#[derive(Deserialize)]
struct Protection {
    #[serde(rename = "ProtectionEnabled")]
    enabled: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Reason {
    code: String,
    reason: String,
    message: String,
}

impl Task {
    /// Reads from the environment where ECS is, if it is anywhere.
    ///
    /// That no client can be made to ask it is logged, and no reason not to take calls.
    pub(crate) fn from_environment() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        Self::at(read(METADATA_VARIABLE), read(AGENT_VARIABLE))
    }

    pub(crate) fn at(metadata: Option<String>, agent: Option<String>) -> Self {
        if metadata.is_none() && agent.is_none() {
            return Self { http: None, metadata, agent };
        }
        // No proxy leads to a link-local address.
        let http = reqwest::Client::builder().timeout(REQUEST_MAX).no_proxy().build();
        match http {
            Ok(http) => Self { http: Some(http), metadata, agent },
            Err(error) => {
                tracing::error!(error = chain(&error), "ECS cannot be asked anything");
                Self { http: None, metadata: None, agent: None }
            }
        }
    }

    /// Returns the task's id; nothing outside ECS.
    pub(crate) async fn id(&self) -> Result<Option<String>, EcsError> {
        let (Some(http), Some(metadata)) = (&self.http, &self.metadata) else { return Ok(None) };
        let answer = http.get(format!("{metadata}/task")).send().await?;
        let task: TaskMetadata = answer.error_for_status()?.json().await?;
        match task.arn.rsplit_once('/') {
            Some((_, id)) if !id.is_empty() => Ok(Some(id.to_owned())),
            Some(_) | None => Err(EcsError::Arn(task.arn)),
        }
    }

    /// Returns whether there is anybody to ask for protection.
    pub(crate) const fn has_agent(&self) -> bool {
        self.agent.is_some()
    }

    /// Asks that the task be spared by scale-in and deployments for so long, or no longer.
    pub(crate) async fn protect(&self, minutes: Option<u32>) -> Result<(), EcsError> {
        let (Some(http), Some(agent)) = (&self.http, &self.agent) else { return Ok(()) };
        let url = format!("{agent}/task-protection/v1/state");
        let request = http
            .put(url)
            .json(&ProtectionRequest { enabled: minutes.is_some(), expires_in_minutes: minutes });
        // A refusal has its reason in the body, whatever the status.
        let answer = request.send().await?;
        let status = answer.status();
        let answer: ProtectionAnswer = match answer.json().await {
            Ok(answer) => answer,
            Err(_) if !status.is_success() => return Err(EcsError::Refused(status.to_string())),
            Err(error) => return Err(error.into()),
        };
        if answer.protection.is_some_and(|one| one.enabled == minutes.is_some()) {
            return Ok(());
        }
        let reason = answer.failure.or(answer.error).unwrap_or_default();
        let Reason { code, reason, message } = reason;
        Err(EcsError::Refused(format!("{status} {code} {reason}{message}").trim().to_owned()))
    }
}

#[derive(serde::Serialize)]
struct ProtectionRequest {
    #[serde(rename = "ProtectionEnabled")]
    enabled: bool,
    #[serde(rename = "ExpiresInMinutes", skip_serializing_if = "Option::is_none")]
    expires_in_minutes: Option<u32>,
}

#[cfg(test)]
pub(crate) mod tests;
