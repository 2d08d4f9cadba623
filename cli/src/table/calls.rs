//! The calls on the screen, and what was counted of those that left it.

use std::collections::HashMap;
use std::time::Duration;

use sidetone_delivery_wire::reason_name;
use sidetone_driver::{MatchState, SessionStatus, Talking};
use sidetone_model::{ConnectionId, Direction, Timestamp, UnmatchedReason};

/// How long a speaker is shown after the last loud frame: pauses between words are no silence.
const SPEAKER_STAYS: Duration = Duration::from_millis(1_200);

/// How long a call stays on the screen after its end.
const ENDED_STAYS: Duration = Duration::from_secs(10);

/// One audio session.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// How it is.
    pub(super) status: SessionStatus,
    /// When it ended.
    pub(super) ended_at: Option<Timestamp>,
    /// Whether it ever belonged to an agent of ours.
    was_matched: bool,
    /// When customer and agent were heard last.
    customer_at: Option<Timestamp>,
    agent_at: Option<Timestamp>,
}

/// What a person notices when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) who: String,
    pub(super) doing: Doing,
}

/// What a call is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Sends audio, and its agent's is delivered.
    Listening,
    /// Sends audio while the agent has the customer on hold.
    OnHold,
    /// Sends none.
    Paused,
    /// Is over.
    Ended,
}

impl Doing {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::OnHold => "on hold",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) ended: usize,
    pub(super) matched: usize,
    pub(super) unmatched: usize,
    pub(super) probes: usize,
    pub(super) recordings: usize,
}

/// Every call on the screen, oldest first.
#[derive(Debug, Default)]
pub(super) struct Calls {
    shown: Vec<Call>,
    counts: Counts,
}

impl Calls {
    /// Takes news of a session; returns whether a person should notice.
    pub(super) fn take(&mut self, now: Timestamp, status: &SessionStatus) -> bool {
        let place = self.place_of(&status.connection);
        let before = place.map(|place| self.shown[place].notice());
        let call = match place {
            Some(place) => &mut self.shown[place],
            None => {
                self.shown.push(Call::new(status));
                let last = self.shown.len() - 1;
                &mut self.shown[last]
            }
        };
        call.status = status.clone();
        if matches!(status.engine.state, MatchState::Matched(_)) && !call.was_matched {
            call.was_matched = true;
            self.counts.matched += 1;
        }
        if status.ended && call.ended_at.is_none() {
            call.ended_at = Some(now);
            if status.engine.probe {
                self.counts.probes += 1;
            } else if status.engine.key.is_some() {
                // Who never said `open` was no call.
                self.counts.ended += 1;
                self.counts.unmatched += usize::from(!call.was_matched);
            }
        }
        before != Some(call.notice())
    }

    /// Takes who is talking in each session.
    pub(super) fn talk(&mut self, now: Timestamp, talking: &HashMap<ConnectionId, Talking>) {
        for call in &mut self.shown {
            if let Some(Talking { customer, agent }) = talking.get(&call.status.connection) {
                call.customer_at = customer.then_some(now).or(call.customer_at);
                call.agent_at = agent.then_some(now).or(call.agent_at);
            }
        }
    }

    /// Notes a finished recording.
    pub(super) const fn recorded(&mut self) {
        self.counts.recordings += 1;
    }

    /// Lets go of calls that ended a while ago.
    pub(super) fn tidy(&mut self, now: Timestamp) {
        self.shown.retain(|call| call.ended_at.is_none_or(|ended| now < ended + ENDED_STAYS));
    }

    /// Returns how many calls run.
    pub(super) fn live(&self) -> usize {
        self.shown.iter().filter(|call| call.ended_at.is_none()).count()
    }

    /// Returns what was counted.
    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns at most `rows` calls, running ones before ended ones, each group oldest first.
    pub(super) fn first(&self, rows: usize) -> Vec<&Call> {
        let live = self.shown.iter().filter(|call| call.ended_at.is_none());
        // Of those that ended, the newest are kept where there is little room.
        let ended: Vec<&Call> = self.shown.iter().filter(|call| call.ended_at.is_some()).collect();
        let mut first: Vec<&Call> = live.take(rows).collect();
        let room = rows - first.len();
        first.extend(&ended[ended.len().saturating_sub(room)..]);
        first
    }

    /// Returns how many calls there are.
    pub(super) fn len(&self) -> usize {
        self.shown.len()
    }

    /// Returns the newest call that is an agent's and not a probe: one worth hearing.
    pub(super) fn example(&self) -> Option<&Call> {
        self.shown.iter().rev().find(|call| call.was_matched && call.status.engine.key.is_some())
    }

    /// Returns the newest call that an agent should have had and none has, or had: one worth
    /// explaining.
    pub(super) fn unmatched(&self) -> Option<&Call> {
        let is_open = |reason| ["ringing", "no-agent-yet"].contains(&reason);
        let mut newest = self.shown.iter().rev();
        newest.find(|call| {
            let reason = call.reason().filter(|reason| !is_open(reason));
            reason.is_some() && call.status.engine.key.is_some()
        })
    }

    /// Returns a call.
    pub(super) fn get(&self, connection: &ConnectionId) -> Option<&Call> {
        self.place_of(connection).map(|place| &self.shown[place])
    }

    fn place_of(&self, connection: &ConnectionId) -> Option<usize> {
        self.shown.iter().position(|call| call.status.connection == *connection)
    }
}

impl Call {
    fn new(status: &SessionStatus) -> Self {
        Self {
            status: status.clone(),
            ended_at: None,
            was_matched: false,
            customer_at: None,
            agent_at: None,
        }
    }

    /// Returns who talks, in a word.
    pub(super) fn speaker(&self, now: Timestamp) -> &'static str {
        let lately = |at: Option<Timestamp>| at.is_some_and(|at| now < at + SPEAKER_STAYS);
        match (lately(self.customer_at), lately(self.agent_at)) {
            (true, true) => "both",
            (true, false) => "customer",
            (false, true) => "agent",
            (false, false) => "silence",
        }
    }

    /// Returns which way the call was set up, once that is known.
    pub(super) fn direction(&self) -> Option<&'static str> {
        self.status.engine.leg.as_ref().map(|leg| match leg.direction {
            Direction::Inbound => "in",
            Direction::Outbound => "out",
        })
    }

    /// Returns the id of the queue, once that is known.
    pub(super) fn queue(&self) -> Option<&str> {
        self.status.engine.leg.as_ref()?.queue.as_deref()
    }

    /// Returns for how long agent and customer are, or were, connected.
    pub(super) fn with_agent(&self, now: Timestamp) -> Option<Duration> {
        let leg = self.status.engine.leg.as_ref().filter(|_| self.is_matched())?;
        let end = leg.ended_at.or(self.ended_at).unwrap_or(now);
        Some(end.since(leg.connected_at?))
    }

    /// Returns what a person notices.
    pub(super) fn notice(&self) -> Notice {
        Notice { who: self.who(), doing: self.doing() }
    }

    /// Returns the agent, or why there is none.
    pub(super) fn who(&self) -> String {
        let engine = &self.status.engine;
        match &engine.state {
            _ if engine.probe => "probe".to_owned(),
            MatchState::Matched(agent) => agent.to_string(),
            MatchState::Unmatched(_) => match self.reason() {
                Some(reason) => format!("({})", reason.replace('-', " ")),
                None => String::new(),
            },
        }
    }

    /// Returns why it belongs to no agent, if it should; while it runs, what it waits for.
    pub(super) const fn reason(&self) -> Option<&'static str> {
        let engine = &self.status.engine;
        match &engine.state {
            MatchState::Matched(_) => None,
            MatchState::Unmatched(_) if engine.probe => None,
            // Until the end these are not the last word.
            MatchState::Unmatched(UnmatchedReason::NotAnswered | UnmatchedReason::NoAgent)
                if engine.rings && !self.status.ended =>
            {
                Some("ringing")
            }
            MatchState::Unmatched(UnmatchedReason::NoAgent) if !self.status.ended => {
                Some("no-agent-yet")
            }
            MatchState::Unmatched(reason) => Some(reason_name(*reason)),
        }
    }

    /// Returns whether it belongs to an agent of ours.
    pub(super) const fn is_matched(&self) -> bool {
        matches!(self.status.engine.state, MatchState::Matched(_))
    }

    /// Returns what it is doing.
    pub(super) const fn doing(&self) -> Doing {
        let engine = &self.status.engine;
        if self.status.ended {
            Doing::Ended
        } else if engine.held {
            Doing::OnHold
        } else if engine.listens {
            Doing::Listening
        } else {
            Doing::Paused
        }
    }
}
