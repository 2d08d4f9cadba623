//! The two pause switches: ours, and what can be told of the client's.
//!
//! `paused` does not say whose pause it means. But it says which of our messages the client
//! had seen by then, and with that most of them can be told apart.
//! Source: docs/wire/audiohook.md, "Pauses".

use serde::{Deserialize, Serialize};

use super::output::PauseCause;

/// A position of our switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Switch {
    Listening,
    Paused,
}

impl Switch {
    const fn other(self) -> Self {
        match self {
            Self::Listening => Self::Paused,
            Self::Paused => Self::Listening,
        }
    }
}

/// Where both switches stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pauses {
    /// What the engine wants; nothing before it said so.
    wanted: Option<Switch>,
    /// What the client was last told.
    told: Switch,
    /// The `seq` it was told with.
    told_seq: u64,
    /// The `seq` of the message that told it the opposite before.
    told_before_seq: u64,
    /// The highest `seq` of ours that a `paused` has acknowledged.
    answered_seq: u64,
    /// Whether `paused` is in force: no audio may come.
    in_force: bool,
    /// Whether the client's own switch is known to be on.
    client: bool,
}

impl Pauses {
    pub(super) const NEW: Self = Self {
        wanted: None,
        told: Switch::Listening,
        told_seq: 0,
        told_before_seq: 0,
        answered_seq: 0,
        in_force: false,
        client: false,
    };

    /// Notes what the engine wants.
    pub(super) const fn want(&mut self, switch: Switch) {
        self.wanted = Some(switch);
    }

    /// Returns what the client has yet to be told.
    pub(super) fn untold(&self) -> Option<Switch> {
        self.wanted.filter(|wanted| *wanted != self.told)
    }

    /// Notes what `opened` said.
    pub(super) fn opened(&mut self, switch: Switch, seq: u64) {
        (self.told, self.told_seq, self.told_before_seq) = (switch, seq, 0);
        self.wanted.get_or_insert(switch);
    }

    /// Notes that the client is told with this `seq`.
    pub(super) const fn tell(&mut self, switch: Switch, seq: u64) {
        self.told_before_seq = self.told_seq;
        self.told_seq = seq;
        self.told = switch;
    }

    /// Notes `paused`; `serverseq` is what the client had seen of us by then.
    pub(super) fn paused(&mut self, serverseq: u64) -> PauseCause {
        self.in_force = true;
        let (known, known_seq) = if serverseq >= self.told_seq {
            (self.told, self.told_seq)
        } else {
            (self.told.other(), self.told_before_seq)
        };
        let answered_seq = self.answered_seq;
        self.answered_seq = answered_seq.max(serverseq);
        match known {
            Switch::Listening => {
                self.client = true;
                PauseCause::Client
            }
            Switch::Paused if answered_seq < known_seq => PauseCause::Answer,
            Switch::Paused => PauseCause::Repeat,
        }
    }

    /// Notes `resumed`: both switches were off when it was sent.
    pub(super) const fn resumed(&mut self) {
        self.in_force = false;
        self.client = false;
    }

    /// Returns whether `paused` is in force.
    pub(super) const fn in_force(&self) -> bool {
        self.in_force
    }

    /// Returns whether the client's own switch is known to be on.
    pub(super) const fn by_client(&self) -> bool {
        self.client
    }

    /// Returns whether our switch is on, or about to be.
    pub(super) fn by_us(&self) -> bool {
        self.told == Switch::Paused || self.wanted == Some(Switch::Paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_acknowledged_seq_tells_whose_pause_it_is() {
        let mut pauses = Pauses::NEW;
        pauses.opened(Switch::Listening, 1);
        assert_eq!(pauses.paused(1), PauseCause::Client);
        pauses.resumed();
        pauses.tell(Switch::Paused, 2);
        // Sent before the client saw our pause.
        assert_eq!(pauses.paused(1), PauseCause::Client);
        assert_eq!(pauses.paused(2), PauseCause::Answer);
        assert_eq!(pauses.paused(2), PauseCause::Repeat);
        pauses.tell(Switch::Listening, 3);
        // Crossed our resume on the way.
        assert_eq!(pauses.paused(2), PauseCause::Repeat);
        assert_eq!(pauses.paused(3), PauseCause::Client);
        pauses.tell(Switch::Paused, 4);
        pauses.tell(Switch::Listening, 5);
        assert_eq!(pauses.paused(4), PauseCause::Answer);
    }

    #[test]
    fn opening_paused_awaits_an_answer() {
        let mut pauses = Pauses::NEW;
        pauses.opened(Switch::Paused, 1);
        assert!(pauses.by_us() && !pauses.in_force());
        assert_eq!(pauses.paused(1), PauseCause::Answer);
        assert!(!pauses.by_client());
    }

    #[test]
    fn what_was_wanted_before_opening_outlives_it() {
        let mut pauses = Pauses::NEW;
        pauses.want(Switch::Paused);
        pauses.opened(Switch::Listening, 1);
        assert_eq!(pauses.untold(), Some(Switch::Paused));
    }
}
