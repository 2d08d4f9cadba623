//! The answer: of the causes that hold the first, and everything that led to it.

use serde::Serialize;
use sidetone_model::{BreachReport, ConversationId, DoorKind, OrganizationId};

use crate::cause::{Cause, RULES, Rule};
use crate::facts::Facts;
use crate::picture::Picture;
use crate::timeline::{Entry, reason_name, timeline};

/// Why a conversation was delivered, or was not.
///
/// **Shape**: as JSON, what `sidetone why --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The conversation.
    #[serde(serialize_with = "as_text")]
    pub conversation_id: ConversationId,
    /// The organization; absent if none is known here.
    #[serde(serialize_with = "as_optional_text")]
    pub organization_id: Option<OrganizationId>,
    /// Why.
    pub cause: Cause,
    /// The same in words, with what is particular about this call.
    pub summary: String,
    /// What to do about it.
    pub next_step: &'static str,
    /// What else holds of the call or one of its sessions.
    pub also: Vec<Cause>,
    /// Its audio sessions, in the order in which they opened.
    pub sessions: Vec<SessionExplained>,
    /// Its agents' parts.
    pub legs: Vec<CallExplained>,
    /// What happened, in order.
    pub timeline: Vec<Entry>,
}

/// One audio session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionExplained {
    /// The session.
    pub session_id: String,
    /// By which door it came.
    pub door: DoorKind,
    /// Whether it goes on.
    pub running: bool,
    /// Why this one was delivered, or was not.
    pub cause: Cause,
    /// How many frames of it were delivered.
    pub frames: u64,
}

/// One agent's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallExplained {
    /// The Genesys user.
    pub user_id: String,
    /// The agent of ours.
    pub agent_id: Option<String>,
    /// Why the user is none of ours.
    pub reason: Option<&'static str>,
    /// Whether agent and customer were ever connected.
    pub connected: bool,
    /// Whether it is over.
    pub ended: bool,
    /// How it was heard of: `socket`, `repair`, `event-bus`.
    pub sources: Vec<&'static str>,
    /// Whether nobody heard of it before it was connected or over.
    pub late: bool,
}

/// Says why a conversation was delivered, or was not.
pub fn explain(facts: &Facts) -> Explanation {
    let mut picture = Picture::new(facts);
    let timeline = timeline(&picture);
    let mut holding: Vec<&Rule> = holding(&picture);
    let main = main_of(&holding);
    let summary = summary(main, &picture);
    let mut sessions = Vec::new();
    for at in 0..picture.sessions.len() {
        picture.focus_on(Some(at));
        let of_session = self::holding(&picture);
        let cause = main_of(&of_session).cause;
        let session = &picture.sessions[at];
        sessions.push(SessionExplained {
            session_id: session.id.to_string(),
            door: session.door,
            running: session.live && session.end.is_none(),
            cause,
            frames: session.audio.map_or(0, |audio| audio.frames),
        });
        holding.extend(of_session);
    }
    let also = RULES
        .iter()
        .filter(|rule| {
            rule.cause != main.cause && holding.iter().any(|one| one.cause == rule.cause)
        })
        .map(|rule| rule.cause)
        .collect();
    Explanation {
        conversation_id: facts.conversation,
        organization_id: facts.organization,
        cause: main.cause,
        summary,
        next_step: main.next_step,
        also,
        sessions,
        legs: picture.calls.iter().map(CallExplained::of).collect(),
        timeline,
    }
}

impl CallExplained {
    fn of(call: &crate::picture::Call) -> Self {
        use sidetone_model::Attribution::{NotOurs, Ours};
        let (agent_id, reason) = match &call.attribution {
            Ours(agent) => (Some(agent.to_string()), None),
            NotOurs(reason) => (None, Some(reason_name(*reason))),
        };
        Self {
            user_id: call.user.clone(),
            agent_id,
            reason,
            connected: call.connected_at().is_some(),
            ended: call.ended_at().is_some(),
            sources: call.sources.clone(),
            late: call.late,
        }
    }
}

fn holding<'r>(picture: &Picture<'_>) -> Vec<&'r Rule> {
    RULES.iter().filter(|rule| (rule.holds)(picture)).collect()
}

/// Returns the rule that counts. One always holds: see the test of every combination.
fn main_of<'r>(holding: &[&'r Rule]) -> &'r Rule {
    holding.first().copied().unwrap_or(&RULES[1])
}

/// Puts into words what a rule means for this call.
fn summary(rule: &Rule, picture: &Picture<'_>) -> String {
    let mut text = rule.means.to_owned();
    let mut add = |more: String| text += &format!("; {more}");
    match rule.cause {
        Cause::Matched => {
            let mut agents: Vec<&str> =
                picture.talkers().map(|(_, agent)| agent.as_str()).collect();
            agents.dedup();
            let frames: u64 =
                picture.sessions.iter().filter_map(|one| one.audio).map(|one| one.frames).sum();
            add(format!("{}: {frames} frames are in the stream", agents.join(", ")));
        }
        Cause::ProtocolViolation => {
            for one in &picture.facts.breaches {
                add(format!("session {}: {}", one.session, one.detail));
            }
        }
        Cause::CallEventsWithoutAudio | Cause::NotAnswered | Cause::NoAgentYet => {
            let agents: Vec<&str> = picture.ours().map(|(_, agent)| agent.as_str()).collect();
            if !agents.is_empty() {
                add(format!("the agent: {}", agents.join(", ")));
            }
        }
        Cause::Collision
        | Cause::OtherAdaptor
        | Cause::Inactive
        | Cause::LookupFailed
        | Cause::UnknownUser => {
            if let Some((call, _)) = picture.stranger() {
                add(format!("the Genesys user: {}", call.user));
            }
        }
        Cause::KeyRefused | Cause::HandshakeIncomplete | Cause::NeverHeardOf => {
            for one in &picture.facts.refusals {
                let (count, reason) = (one.count, &one.reason);
                add(format!("refused until {}: {count} times {reason}", one.last_at));
                if let Some(fault) = one.handshake_fault() {
                    add(format!("{fault}: {}", fault.next_step()));
                }
            }
            if rule.cause == Cause::NeverHeardOf && picture.tracker().is_none() {
                add("no tracker follows this organization at present".to_owned());
            }
        }
        Cause::TrackerNotRunning => {
            if let Some(report) = &picture.facts.tracker {
                add(format!("it was last seen at {}", report.at));
            }
        }
        Cause::NotSubscribed | Cause::NeverTold => {
            if let Some(report) = picture.tracker() {
                let (followed, rejected) = (report.followed, report.rejected);
                add(format!("it follows {followed} users, of whom Genesys refuses {rejected}"));
                if let Some(problem) = &report.problem {
                    add(problem.clone());
                }
            }
        }
        Cause::Probe
        | Cause::DoorCannotHear
        | Cause::NothingOffered
        | Cause::DoorDied
        | Cause::DoorShutDown
        | Cause::ConnectionLost
        | Cause::PausedByFlow
        | Cause::DuplicateSession => {}
    }
    for one in picture.unnamed_breaches() {
        let BreachReport { session, at, detail, .. } = one;
        add(format!(
            "session {session} of an unknown conversation broke the protocol at {at}: {detail}"
        ));
    }
    if let Some(ahead_ms) = picture.tracker().and_then(|report| report.clock_ahead_ms)
        && ahead_ms.unsigned_abs() > CLOCK_AHEAD_MS_MAX
    {
        let direction = if ahead_ms > 0 { "ahead of" } else { "behind" };
        let tenths = ahead_ms.unsigned_abs() / 100;
        let (seconds, tenth) = (tenths / 10, tenths % 10);
        add(format!(
            "the clock of the tracker's machine is {seconds}.{tenth} s {direction} Genesys Cloud's; \
             times are corrected: set the clock by NTP"
        ));
    }
    text
}

/// By how much a machine's clock may be off without being named: as in `/readyz`.
const CLOCK_AHEAD_MS_MAX: u64 = 2_000;

fn as_text<S: serde::Serializer>(id: &ConversationId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn as_optional_text<S: serde::Serializer>(
    id: &Option<OrganizationId>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => serializer.collect_str(id),
        None => serializer.serialize_none(),
    }
}
