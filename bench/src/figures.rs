//! What is measured: latencies, processor time, memory, and how far a ramp came.

use std::iter::Sum;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::args::Kind;
use crate::places::Machine;

/// The longest latency that is told apart: a minute.
const MICROS_MAX: u64 = 60_000_000;
/// Two digits hold 1 % and keep a histogram small.
const DIGITS: u8 = 2;

/// Latencies as they are collected.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u32>);

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_max(MICROS_MAX, DIGITS);
        Self(histogram.expect("a minute in microseconds with two digits fits"))
    }
}

impl Latencies {
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(MICROS_MAX));
    }

    pub(crate) fn record_seconds(&mut self, seconds: f64) {
        self.record(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }

    /// Returns the figures of a report.
    pub(crate) fn figure(&self) -> Latency {
        let ms = |micros: u64| micros as f64 / 1_000.0;
        Latency {
            count: self.0.len(),
            p50_ms: ms(self.0.value_at_quantile(0.5)),
            p99_ms: ms(self.0.value_at_quantile(0.99)),
            max_ms: ms(self.0.max()),
        }
    }
}

/// Latencies as they are reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) count: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

/// Processor time of a server over a window.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Work {
    pub(crate) sessions: usize,
    pub(crate) window_s: f64,
    /// In user space and in the kernel.
    pub(crate) cpu_s: f64,
    /// In the kernel, to a hundredth of a second.
    pub(crate) system_s: f64,
    /// What reached the stub of Kinesis.
    pub(crate) puts: Option<Puts>,
}

/// What reached the stub of Kinesis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Puts {
    pub(crate) requests: u64,
    pub(crate) records: u64,
    /// Of the bodies.
    pub(crate) bytes: u64,
}

impl Sum for Puts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            requests: sum.requests + one.requests,
            records: sum.records + one.records,
            bytes: sum.bytes + one.bytes,
        })
    }
}

impl Puts {
    /// Returns what was added to an earlier count.
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            records: self.records - before.records,
            bytes: self.bytes - before.bytes,
        }
    }
}

impl Work {
    /// Returns CPU seconds for one session over one hour.
    pub(crate) fn per_session_hour(&self) -> f64 {
        self.cpu_s / (self.sessions as f64 * self.window_s / 3_600.0)
    }

    /// Returns which share of one core the server had.
    pub(crate) fn busy(&self) -> f64 {
        self.cpu_s / self.window_s
    }
}

/// How the client itself fared over a window: what it says of the server is worth no more.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Client {
    /// Share of its core.
    pub(crate) busy: f64,
    /// How late it was with what it had to send.
    pub(crate) lateness: Latency,
    /// Frames that the server's socket did not take in time.
    pub(crate) frames_held_back: u64,
    /// Sessions that ended although nobody wanted that.
    pub(crate) sessions_lost: u64,
}

/// How late a client may be at most: above, latencies are its own.
const LATENESS_MAX_MS: f64 = 10.0;
/// Of a core, what one process can have of it.
const BUSY_MAX: f64 = 0.97;

impl Client {
    /// Returns whether its core is used up.
    pub(crate) fn has_no_time_left(&self) -> bool {
        self.busy > BUSY_MAX
    }

    /// Returns whether slow answers may be its own doing.
    pub(crate) fn is_saturated(&self) -> bool {
        self.has_no_time_left() || self.lateness.p99_ms > LATENESS_MAX_MS
    }
}

/// One window under load.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Window {
    pub(crate) work: Work,
    pub(crate) ping_to_pong: Latency,
    pub(crate) accepted_to_committed: Option<Latency>,
    pub(crate) client: Client,
}

/// Memory above the base of the process.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Memory {
    pub(crate) sessions: usize,
    pub(crate) base_kib: u64,
    pub(crate) kib: u64,
}

impl Memory {
    /// Returns KiB for one session.
    pub(crate) fn per_session_kib(&self) -> f64 {
        self.kib.saturating_sub(self.base_kib) as f64 / self.sessions as f64
    }
}

/// Why a ramp ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RampEnd {
    /// Pongs took too long: this is the server's end.
    PongTooSlow,
    /// The client could not go on: the server may carry more.
    ClientSaturated,
    /// As many as were asked for.
    LimitReached,
    /// Connections were refused or lost.
    ConnectionsFailed,
}

/// How many sessions a server carried.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ramp {
    /// The last step at which pongs were in time.
    pub(crate) most: usize,
    pub(crate) end: RampEnd,
    pub(crate) steps: Vec<Window>,
}

/// Everything measured of one server.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) kind: Kind,
    /// A burst of 400 connections at 800 a second, on an idle server.
    pub(crate) opened_in_burst: Latency,
    /// 80 connections a second.
    pub(crate) opened_steadily: Latency,
    /// The burst again, beside the steady load.
    pub(crate) opened_in_burst_under_load: Latency,
    /// Opened, no audio yet.
    pub(crate) memory_idle: Memory,
    /// After the steady load, silent.
    pub(crate) memory_rested: Memory,
    pub(crate) steady: Window,
    pub(crate) ramp: Option<Ramp>,
}

/// A server's turns beside the others'.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Relay {
    pub(crate) kind: Kind,
    pub(crate) turns: Vec<Work>,
}

impl Relay {
    /// Returns CPU seconds for one session over one hour, of the middle turn.
    pub(crate) fn per_session_hour(&self) -> f64 {
        middle(self.turns.iter().map(Work::per_session_hour))
    }

    /// Returns what reached the stub of Kinesis in all turns, and in how many seconds.
    pub(crate) fn puts(&self) -> Option<(Puts, f64)> {
        let puts = self.turns.iter().map(|turn| turn.puts).sum::<Option<Puts>>()?;
        Some((puts, self.turns.iter().map(|turn| turn.window_s).sum()))
    }

    /// Returns how many times the other's processor time this needs, in the middle round.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        let pairs = self.turns.iter().zip(&other.turns);
        middle(pairs.map(|(own, other)| own.per_session_hour() / other.per_session_hour()))
    }
}

/// Returns the value in the middle.
pub(crate) fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) machine: Machine,
    pub(crate) command: String,
    pub(crate) relays: Vec<Relay>,
    pub(crate) servers: Vec<Figures>,
}

impl Outcome {
    /// Returns how many times the sink's processor time a server needs.
    pub(crate) fn ratio_to_sink(&self, relay: &Relay) -> Option<f64> {
        let sink = self.relays.iter().find(|other| other.kind == Kind::Sink)?;
        Some(relay.ratio_to(sink))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(cpu_s: f64) -> Work {
        Work { sessions: 1_000, window_s: 18.0, cpu_s, system_s: 0.0, puts: None }
    }

    #[test]
    fn a_thousand_sessions_for_18_s_are_five_session_hours() {
        assert!((turn(1.2).per_session_hour() - 0.24).abs() < 1e-9);
        assert!((turn(1.2).busy() - 0.0667).abs() < 1e-3);
    }

    #[test]
    fn ratios_are_of_the_middle_round() {
        let sink = Relay { kind: Kind::Sink, turns: vec![turn(1.0), turn(2.0), turn(1.0)] };
        let door = Relay { kind: Kind::Null, turns: vec![turn(1.3), turn(2.8), turn(9.0)] };
        assert!((door.ratio_to(&sink) - 1.4).abs() < 1e-9);
        assert!((sink.per_session_hour() - 0.2).abs() < 1e-9);
    }

    #[test]
    fn latencies_hold_one_percent() {
        let mut latencies = Latencies::default();
        (1..=1_000).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        let figure = latencies.figure();
        assert_eq!(figure.count, 1_000);
        assert!((figure.p50_ms - 500.0).abs() < 6.0, "{figure:?}");
        assert!((figure.p99_ms - 990.0).abs() < 11.0, "{figure:?}");
    }

    #[test]
    fn memory_below_the_base_is_none() {
        assert_eq!(Memory { sessions: 10, base_kib: 500, kib: 400 }.per_session_kib(), 0.0);
    }
}
