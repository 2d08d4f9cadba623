//! The calls on the screen, and what was counted of those that left it.

use std::time::Duration;

use sidetone_delivery_wire::reason_name;
use sidetone_driver::{MatchState, SessionStatus};
use sidetone_model::{ConnectionId, Timestamp, UnmatchedReason};

/// How long a call stays on the screen after its end.
const ENDED_STAYS: Duration = Duration::from_secs(10);

/// One audio session.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// When it was first heard of.
    pub(super) since: Timestamp,
    /// How it is.
    pub(super) status: SessionStatus,
    /// When it ended.
    pub(super) ended_at: Option<Timestamp>,
    /// Whether it ever belonged to an agent of ours.
    was_matched: bool,
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
                let call =
                    Call { since: now, status: status.clone(), ended_at: None, was_matched: false };
                self.shown.push(call);
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

    /// Returns a call.
    pub(super) fn get(&self, connection: &ConnectionId) -> Option<&Call> {
        self.place_of(connection).map(|place| &self.shown[place])
    }

    fn place_of(&self, connection: &ConnectionId) -> Option<usize> {
        self.shown.iter().position(|call| call.status.connection == *connection)
    }
}

impl Call {
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
