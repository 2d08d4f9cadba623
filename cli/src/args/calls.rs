//! `sidetone calls`.

use std::str::FromStr;
use std::time::Duration;

use clap::Args as ClapArgs;
use sidetone_model::{OrganizationId, Timestamp};

/// What `calls` understands.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = CALLS_HELP)]
pub struct CallsArgs {
    /// List calls that began since then: a duration back from now such as 30m, 8h or 2d, or a
    /// moment such as 2026-08-15T09:00:00Z
    #[arg(long, value_name = "WHEN", default_value = "24h")]
    pub since: Since,
    /// List only calls of which no audio was delivered to an agent
    #[arg(long)]
    pub not_matched: bool,
    /// List only calls of this organization
    #[arg(long, value_name = "UUID")]
    pub organization: Option<OrganizationId>,
}

/// Since when calls are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So long before now.
    Before(Duration),
    /// This moment.
    At(Timestamp),
}

/// The longest duration: longer than anything is kept.
const DAYS_MAX: u64 = 3_650;

impl Since {
    /// Returns the moment.
    pub fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Before(duration) => now - duration,
            Self::At(at) => at,
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let expected = || "expected a duration (30m, 8h, 2d) or a moment in RFC 3339".to_owned();
        let unit = text.chars().next_back().ok_or_else(expected)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 24 * 3_600,
            _ => return Err(expected()),
        };
        let count: u64 = text[..text.len() - 1].parse().map_err(|_| expected())?;
        let length = count.checked_mul(seconds).filter(|all| *all <= DAYS_MAX * 24 * 3_600);
        length.map(|all| Self::Before(Duration::from_secs(all))).ok_or_else(expected)
    }
}

const CALLS_HELP: &str = "\
Examples:
  sidetone calls
  sidetone calls --since 8h --not-matched
  sidetone calls --since 2026-08-15T09:00:00Z --json | jq -r 'select(.cause == \"unknown-user\").conversation_id'

As JSON, each call is one object a line. Outcomes: matched, not-matched, running; causes are those
of `sidetone why`.";

/// What the command is for, at length.
pub(super) const LONG_ABOUT: &str = "\
    Lists calls with start, agent, queue, length, outcome and cause, the newest last. Reads the \
    index of calls, which is kept for a day, and the recordings' JSON files; not the stream. Works \
    on a data directory, whether or not a process runs on it.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_moments_are_understood() {
        let hours = |count: u64| Since::Before(Duration::from_secs(count * 3_600));
        assert_eq!("8h".parse(), Ok(hours(8)));
        assert_eq!("2d".parse(), Ok(hours(48)));
        let at: Timestamp = "2026-08-15T09:00:00Z".parse().unwrap();
        assert_eq!("2026-08-15T09:00:00Z".parse(), Ok(Since::At(at)));
        for text in ["", "h", "8", "8 hours", "-1h", "99999999999999999999d", "9999d", "1é"] {
            assert!(text.parse::<Since>().is_err(), "{text}");
        }
    }
}
