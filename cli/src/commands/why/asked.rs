//! What Genesys says of a call that was not matched: who was on it, by username and queue, and
//! the command that provisions an agent who is not.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use sidetone_explain::{Cause, Explanation, Facts};
use sidetone_model::{ConversationKey, OrganizationId, UserId};
use sidetone_ports::UserStore;
use sidetone_tracking::{AttendanceError, Attendant, PlatformClient, Provisioned, attendance};

use crate::args::GlobalArgs;
use crate::failure::Failure;
use crate::output::printable;
use crate::suggestion::Suggestion;

/// How long Genesys may take to answer everything. Units: real time.
const ASK_LIMIT: Duration = Duration::from_secs(20);

/// What Genesys said, or why it could not be asked.
///
/// **Shape**: as JSON, `genesys` in what `sidetone why --json` prints.
#[derive(Debug, Default, Serialize)]
pub(super) struct Asked {
    /// Who was on the call.
    users: Vec<Attendant>,
    /// Commands that provision those who are not.
    commands: Vec<String>,
    /// Why Genesys could not be asked.
    problem: Option<String>,
}

/// Returns whether Genesys may know more of a call than what is stored here.
pub(super) const fn is_worth_asking(cause: Cause) -> bool {
    match cause {
        Cause::Collision
        | Cause::OtherAdaptor
        | Cause::Inactive
        | Cause::LookupFailed
        | Cause::UnknownUser
        | Cause::NotAnswered
        | Cause::NoAgentYet
        | Cause::NeverTold => true,
        Cause::Probe
        | Cause::NeverHeardOf
        | Cause::KeyRefused
        | Cause::HandshakeIncomplete
        | Cause::DoorCannotHear
        | Cause::NothingOffered
        | Cause::DoorDied
        | Cause::DoorShutDown
        | Cause::ProtocolViolation
        | Cause::ConnectionLost
        | Cause::PausedByFlow
        | Cause::DuplicateSession
        | Cause::Matched
        | Cause::CallEventsWithoutAudio
        | Cause::TrackerNotRunning
        | Cause::NotSubscribed => false,
    }
}

impl Asked {
    /// Asks who was on the call.
    pub(super) async fn about(
        global: &GlobalArgs,
        facts: &Facts,
        explanation: &Explanation,
        store: &impl UserStore,
        client: Result<(OrganizationId, PlatformClient), Failure>,
    ) -> Self {
        let (organization, platform) = match client {
            Ok(client) => client,
            Err(failure) => return Self::failed(&failure.in_words()),
        };
        let known: BTreeMap<UserId, Option<String>> = facts
            .legs
            .iter()
            .map(|leg| (leg.user, leg.queue.as_deref().map(str::to_owned)))
            .collect();
        let key = ConversationKey { organization, conversation: facts.conversation };
        let collisions = explanation.cause == Cause::Collision;
        let asking = attendance(&platform, store, key, &known, collisions);
        match tokio::time::timeout(ASK_LIMIT, asking).await {
            Ok(Ok(users)) => {
                let commands = users.iter().filter(|user| is_addable(user));
                let commands = commands.map(|user| add(global, organization, user)).collect();
                Self { users, commands, problem: None }
            }
            Ok(Err(error)) => Self::failed(&Failure::from(error).in_words()),
            Err(_) => Self::failed(&format!("no answer within {} s", ASK_LIMIT.as_secs())),
        }
    }

    fn failed(problem: &str) -> Self {
        Self { problem: Some(problem.to_owned()), ..Self::default() }
    }

    /// Returns what a person is to read, one string a line.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.users.iter().map(line).collect();
        if let Some(problem) = &self.problem {
            lines.push(format!("could not be asked who was on the call: {problem}"));
        } else if self.users.is_empty() {
            lines.push("no Genesys user was on the call".to_owned());
        }
        lines
    }

    /// Returns the commands that provision those who are not.
    pub(super) fn commands(&self) -> &[String] {
        &self.commands
    }

    /// Writes usernames and queue names for ids in a text.
    pub(super) fn named(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for user in &self.users {
            if !user.username.reveal().is_empty() {
                text = text.replace(&user.user_id.to_string(), user.username.reveal());
            }
            if let (Some(id), Some(name)) = (&user.queue_id, &user.queue) {
                text = text.replace(id.as_str(), name);
            }
        }
        text
    }
}

fn line(user: &Attendant) -> String {
    let mut text = match user.username.reveal().as_str() {
        "" => format!("user {}, of whom Genesys knows nothing", user.user_id),
        username => format!("{} ({})", username, user.name.reveal()),
    };
    match user.answered {
        Some(true) => text += " answered",
        Some(false) => text += " did not answer",
        None => {}
    }
    if let Some(queue) = user.queue.as_ref().or(user.queue_id.as_ref()) {
        text += &format!(", queue {queue}");
    }
    text += match user.provisioned {
        Provisioned::Here => "; provisioned",
        Provisioned::OtherAdaptor => "; provisioned for another telephony platform",
        Provisioned::Inactive => "; provisioned as inactive",
        Provisioned::No => "; not provisioned",
    };
    if !user.shared_with.is_empty() {
        let all: Vec<&str> = user.shared_with.iter().map(|one| one.reveal().as_str()).collect();
        text += &format!("; the agent id is shared by {}", all.join(" and "));
    }
    printable(&text).into_owned()
}

fn is_addable(user: &Attendant) -> bool {
    user.provisioned == Provisioned::No && user.shared_with.is_empty() && user.agent_id.is_some()
}

fn add(global: &GlobalArgs, organization: OrganizationId, user: &Attendant) -> String {
    Suggestion::new(global, &["users", "add"])
        .option("--name", Some(user.name.reveal()))
        .option("--email", Some(user.username.reveal()))
        .option("--adaptor", Some("genesys-cloud"))
        .option("--organization", Some(organization))
        .to_string()
}

impl From<AttendanceError> for Failure {
    fn from(error: AttendanceError) -> Self {
        match error {
            AttendanceError::Platform(error) => error.into(),
            AttendanceError::Store(error) => error.into(),
        }
    }
}
