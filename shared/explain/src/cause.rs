//! Every cause that there is, in one table: when it holds, what it means, what to do next.

use std::fmt;

use serde::{Serialize, Serializer};
use sidetone_model::{EndCause, NotOurs, UnheardReason};

use crate::picture::Picture;

/// Why a conversation was delivered, or was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Genesys' own test, which is delivered nowhere.
    Probe,
    /// Nobody ever told of it, and no audio came.
    NeverHeardOf,
    /// Requests in the organization's name were turned away while it ran.
    KeyRefused,
    /// Requests in the organization's name were no WebSocket handshakes while it ran.
    HandshakeIncomplete,
    /// It came in by a door that cannot take binary messages.
    DoorCannotHear,
    /// Genesys offered no medium.
    NothingOffered,
    /// The process that held the audio died.
    DoorDied,
    /// The process that held the audio was told to stop.
    DoorShutDown,
    /// Genesys' client broke the protocol.
    ProtocolViolation,
    /// The connection went away before the call was over.
    ConnectionLost,
    /// The call's own flow paused the audio, and did not go on.
    PausedByFlow,
    /// Another session of the same participant listened.
    DuplicateSession,
    /// An agent of ours talked, and a session was there.
    Matched,
    /// Two Genesys users share the agent id.
    Collision,
    /// The user is served by another telephony platform.
    OtherAdaptor,
    /// The user is switched off.
    Inactive,
    /// Genesys could not be asked who the user is.
    LookupFailed,
    /// The user is not provisioned.
    UnknownUser,
    /// It rang at an agent of ours, who never answered.
    NotAnswered,
    /// An agent of ours talked, and no audio came.
    CallEventsWithoutAudio,
    /// Audio came, and no tracker followed the organization.
    TrackerNotRunning,
    /// Audio came, and the tracker could not hear of all whom it follows.
    NotSubscribed,
    /// Audio comes, and nobody of ours is there yet.
    NoAgentYet,
    /// Audio came, and Genesys told of nobody of ours.
    NeverTold,
}

/// One row of the table.
pub(crate) struct Rule {
    pub(crate) cause: Cause,
    name: &'static str,
    pub(crate) holds: fn(&Picture<'_>) -> bool,
    pub(crate) means: &'static str,
    pub(crate) next_step: &'static str,
}

/// The table. Of the causes that hold, the first is the one that counts: what nothing else can
/// make good stands first, what went well in the middle, what is nobody's fault behind it.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        cause: Cause::Probe,
        name: "probe",
        holds: |it| it.facts.conversation.is_nil(),
        means: "this id is Genesys' own test of the connection, made when the integration is \
                switched on or edited; it is answered, and delivered nowhere",
        next_step: "nothing; a real call has another id",
    },
    Rule {
        cause: Cause::NeverHeardOf,
        name: "never-heard-of",
        holds: |it| it.sessions.is_empty() && it.calls.is_empty() && it.facts.breaches.is_empty(),
        means: "no call event told of this conversation and no audio session opened for it here, \
                within what is kept (a day of calls, and the stream's retention time)",
        next_step: "check that the id is a conversation's (Genesys shows it in the interaction's \
                    address) and of this organization; that `sidetone run` or the stack was up \
                    then; that the agent is provisioned (`sidetone coverage`); and that AudioHook \
                    is switched on for the queue and points at this door",
    },
    Rule {
        cause: Cause::KeyRefused,
        name: "key-refused",
        holds: |it| {
            it.sessions.is_empty() && it.refusals().any(|one| one.handshake_fault().is_none())
        },
        means: "call events told of it and no audio session opened, while the door refused \
                handshakes in this organization's name",
        next_step: "enter the API key and the client secret of `sidetone secrets new` in the \
                    AudioHook integration again; if they are right, a proxy changes the host or \
                    the path that Genesys signed (audiohook.public_authority, \
                    audiohook.public_path_prefix)",
    },
    Rule {
        cause: Cause::HandshakeIncomplete,
        name: "handshake-incomplete",
        holds: |it| {
            it.sessions.is_empty() && it.refusals().any(|one| one.handshake_fault().is_some())
        },
        means: "call events were received and no audio session opened, while the door refused \
                requests in this organization's name that are no WebSocket handshakes",
        next_step: "correct the proxy in front of the door: it must forward path, Host, Upgrade, \
                    Connection and the Sec-WebSocket headers of the request by HTTP/1.1; the \
                    summary names the setting",
    },
    Rule {
        cause: Cause::DoorCannotHear,
        name: "door-cannot-hear",
        holds: |it| is_unheard(it, UnheardReason::TextOnlyDoor),
        means: "the call came in by the API Gateway door, which cannot take audio; it was \
                accepted without a medium",
        next_step: "enter the audio door's address in the AudioHook integration: the stack's \
                    output AudioUri",
    },
    Rule {
        cause: Cause::NothingOffered,
        name: "nothing-offered",
        holds: |it| is_unheard(it, UnheardReason::NothingOffered),
        means: "Genesys offered no medium that can be taken: PCMU or L16 at 8,000 Hz",
        next_step: "choose the channels to monitor (both, or one) in the AudioHook integration's \
                    configuration",
    },
    Rule {
        cause: Cause::DoorDied,
        name: "door-died",
        holds: |it| it.is_orphaned(),
        means: "the process that held the audio ended without a word; what it had not yet \
                delivered is lost, and the stream says so with a gap",
        next_step: "look for the reason in the process's log and in what runs it (memory, a kill, \
                    a power cut)",
    },
    Rule {
        cause: Cause::DoorShutDown,
        name: "door-shut-down",
        holds: |it| it.ended_by(EndCause::Shutdown),
        means: "the door was told to stop before the call was over; Genesys was asked to come \
                again, to another door",
        next_step: "give the door more time to drain (audiohook.drain_seconds), or stop it when \
                    fewer calls run",
    },
    Rule {
        cause: Cause::ProtocolViolation,
        name: "protocol-violation",
        holds: |it| it.ended_by(EndCause::Violation) || it.is_refused_by_protocol(),
        means: "the client broke the AudioHook protocol and was told to go",
        next_step: "the door's log names the breach beside the session's id; a real Genesys does \
                    none, so look at what stands in between",
    },
    Rule {
        cause: Cause::ConnectionLost,
        name: "connection-lost",
        holds: |it| it.is_cut_off(),
        means: "the connection went away without a word before the call was over, and no other \
                took its place",
        next_step: "look at what stands between Genesys and the door: an idle timeout below an \
                    hour cuts paused calls, which are silent for minutes",
    },
    Rule {
        cause: Cause::PausedByFlow,
        name: "paused-by-flow",
        holds: |it| it.heard().any(|session| session.flow_pauses),
        means: "the call's own flow paused the audio, as it does while card numbers are spoken, \
                and did not let it go on; what is spoken then is not heard by design",
        next_step: "look at the flow's secure pause: each needs its end",
    },
    Rule {
        cause: Cause::DuplicateSession,
        name: "duplicate-session",
        holds: |it| it.is_duplicate(),
        means: "another session of the same participant opened first and listened; this one \
                stayed paused, to take over if the first dies",
        next_step: "nothing, unless two integrations monitor the same queue",
    },
    Rule {
        cause: Cause::Matched,
        name: "matched",
        holds: |it| it.is_matched(),
        means: "an agent of ours talked while an audio session was open",
        next_step: "`sidetone listen` writes the audio to a file",
    },
    Rule {
        cause: Cause::Collision,
        name: "collision",
        holds: |it| is_stranger(it, NotOurs::Collision),
        means: "two Genesys users have the same name before the @, so the telephony agent id \
                names nobody; their calls are attributed to nobody",
        next_step: "change one of the two usernames in Genesys",
    },
    Rule {
        cause: Cause::OtherAdaptor,
        name: "other-adaptor",
        holds: |it| is_stranger(it, NotOurs::OtherAdaptor),
        means: "the user is provisioned for another telephony platform and is not listened to \
                here",
        next_step: "if that is wrong, move the user to genesys-cloud",
    },
    Rule {
        cause: Cause::Inactive,
        name: "inactive",
        holds: |it| is_stranger(it, NotOurs::Inactive),
        means: "the user is provisioned and switched off",
        next_step: "if that is wrong, set the user's status to active",
    },
    Rule {
        cause: Cause::LookupFailed,
        name: "lookup-failed",
        holds: |it| is_stranger(it, NotOurs::LookupFailed),
        means: "Genesys could not be asked who the user is, or has not answered yet",
        next_step: "ask again in half a minute; if it stays so, the OAuth client's role lacks \
                    Directory > User > View in the user's division, or Genesys is out of reach",
    },
    Rule {
        cause: Cause::UnknownUser,
        name: "unknown-user",
        holds: |it| is_stranger(it, NotOurs::UnknownUser),
        means: "nobody is provisioned under the user's telephony agent id",
        next_step: "provision the user (`sidetone users import`); `sidetone coverage` shows who \
                    else is missing",
    },
    Rule {
        cause: Cause::NotAnswered,
        name: "not-answered",
        holds: |it| it.ours().next().is_some() && it.talkers().next().is_none() && !is_ringing(it),
        means: "it rang at an agent of ours, who never answered",
        next_step: "nothing; the customer hung up, or the call went on to somebody else",
    },
    Rule {
        cause: Cause::CallEventsWithoutAudio,
        name: "call-events-without-audio",
        holds: |it| it.talkers().next().is_some() && !it.is_matched(),
        means: "call events told of an agent of ours, and no audio session was open meanwhile",
        next_step: "switch audio monitoring on for the queue (Admin > Queues > Voice), see that \
                    the AudioHook integration is active and points at this door, and that the \
                    door can be reached from the internet on port 443",
    },
    Rule {
        cause: Cause::TrackerNotRunning,
        name: "tracker-not-running",
        holds: |it| is_untold(it) && it.tracker().is_none(),
        means: "audio came, and no tracker followed this organization meanwhile, so nobody could \
                tell whose it is",
        next_step: "give the tracker its OAuth client ([genesys] in the configuration, or the \
                    stack's Genesys secret) and see that it runs: `/readyz` says how it does",
    },
    Rule {
        cause: Cause::NotSubscribed,
        name: "not-subscribed",
        holds: |it| is_untold(it) && it.tracker().is_some() && !it.is_subscribed(),
        means: "audio came, and the tracker runs but cannot hear of everybody whom it follows",
        next_step: "the tracker's problem, or the log's line about rejected topics, says why: \
                    mostly the OAuth client's role lacks Conversation > Communication > View in \
                    all divisions of the agents",
    },
    Rule {
        cause: Cause::NoAgentYet,
        name: "no-agent-yet",
        holds: |it| is_ringing(it) || (is_untold(it) && it.is_subscribed() && it.goes_on()),
        means: "the call runs and no agent of ours has answered it yet; it stays paused",
        next_step: "ask again once an agent is on the call",
    },
    Rule {
        cause: Cause::NeverTold,
        name: "never-told",
        holds: |it| is_untold(it) && it.is_subscribed() && !it.goes_on(),
        means: "audio came, the tracker listened, and Genesys told of no agent of ours: nobody \
                answered, or somebody did who is not provisioned",
        next_step: "ask again with --config, so that Genesys can name the user who answered; \
                    `sidetone coverage` shows which queue members are not provisioned",
    },
];

/// Audio came, and no call event with it.
fn is_untold(picture: &Picture<'_>) -> bool {
    !picture.sessions.is_empty() && picture.calls.is_empty()
}

/// Somebody of ours may still answer, and nobody of ours has.
fn is_ringing(picture: &Picture<'_>) -> bool {
    picture.talkers().next().is_none() && picture.ours().any(|(call, _)| call.ended_at().is_none())
}

/// No session that is looked at hears, one of them for that reason.
fn is_unheard(picture: &Picture<'_>, reason: UnheardReason) -> bool {
    picture.heard().any(|session| session.unheard == Some(reason))
        && picture.heard().all(|session| session.unheard.is_some())
}

fn is_stranger(picture: &Picture<'_>, reason: NotOurs) -> bool {
    picture.stranger().is_some_and(|(_, its)| its == reason)
}

impl Cause {
    /// Returns every cause, in the order in which they count.
    pub fn all() -> impl Iterator<Item = Self> {
        RULES.iter().map(|rule| rule.cause)
    }

    /// Returns the name, as `why --json` has it.
    pub fn as_str(self) -> &'static str {
        RULES.iter().find(|rule| rule.cause == self).map_or("", |rule| rule.name)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
