//! Whether everything behind the door can be reached, each thing by its name.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use sidetone_model::Timestamp;
use sidetone_ports::{Clock, chain};
use tokio::sync::Mutex;

type Cause = Box<dyn Error + Send + Sync>;
type Answer = Pin<Box<dyn Future<Output = Result<(), Cause>> + Send>>;

/// How long one check may take.
const CHECK_LIMIT: Duration = Duration::from_secs(2);

/// How long an answer is given again: whoever asks often makes no work behind the door.
const REPORT_LIFE: Duration = Duration::from_secs(1);

/// By how much the clock of this machine may be off Genesys' before readiness names it.
///
/// Units: microseconds. Dates are cut to the second, so less cannot be told for certain.
const SKEW_MAX: u64 = 2_000_000;

/// One dependency, and how to find out whether it works.
pub struct ReadinessCheck {
    name: String,
    probe: Box<dyn Fn() -> Answer + Send + Sync>,
}

impl ReadinessCheck {
    /// Names a dependency; `probe` is called again for each look.
    pub fn new<F, A, E>(name: impl Into<String>, probe: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Cause>,
    {
        let probe = move || -> Answer {
            let answer = probe();
            Box::pin(async move { answer.await.map_err(Into::into) })
        };
        Self { name: name.into(), probe: Box::new(probe) }
    }
}

impl fmt::Debug for ReadinessCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadinessCheck").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What `/readyz` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// Whether calls should be sent here.
    pub(crate) ready: bool,
    /// Whether calls are served although something is wrong, such as this machine's clock.
    pub(crate) degraded: bool,
    /// Whether the door is about to close.
    pub(crate) draining: bool,
    /// Each dependency.
    pub(crate) checks: BTreeMap<String, CheckStatus>,
}

/// How one dependency does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CheckStatus {
    /// Whether it works.
    pub(crate) ok: bool,
    /// Since when it has worked, or has not. Shape: RFC 3339.
    #[serde(serialize_with = "as_text")]
    pub(crate) since: Timestamp,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// Of the clock: by how much it is ahead of Genesys', where the two are known to differ.
    /// Units: milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ahead_ms: Option<i64>,
}

fn as_text<S: serde::Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}

/// The name of the one check that never keeps calls away: world time is corrected meanwhile.
const CLOCK: &str = "clock";

/// All checks of a door.
#[derive(Debug)]
pub(crate) struct Readiness {
    clock: Clock,
    checks: Vec<ReadinessCheck>,
    latest: Mutex<Latest>,
}

/// What was found last, and when in steady time.
#[derive(Debug, Default)]
struct Latest {
    found_at: Option<Timestamp>,
    checks: BTreeMap<String, CheckStatus>,
}

impl Readiness {
    pub(crate) fn new(clock: Clock, checks: Vec<ReadinessCheck>) -> Self {
        Self { clock, checks, latest: Mutex::default() }
    }

    /// Looks at everything, or repeats what was just found.
    pub(crate) async fn report(&self, draining: bool) -> Report {
        // Held over the look, so that many who ask at once cause one look.
        let mut latest = self.latest.lock().await;
        let young = |at| self.clock.steady().since(at) < REPORT_LIFE;
        if !latest.found_at.is_some_and(young) {
            let causes = self.look().await;
            let now = self.clock.now();
            latest.checks = causes
                .into_iter()
                .map(|(name, cause)| {
                    let ok = cause.is_none();
                    let before = latest.checks.get(&name).filter(|before| before.ok == ok);
                    let since = before.map_or(now, |before| before.since);
                    (name, CheckStatus { ok, since, cause, ahead_ms: None })
                })
                .collect();
            if let Some(clock) = latest.checks.get_mut(CLOCK) {
                clock.ahead_ms = self.clock.skew().map(|skew| skew.ahead_micros / 1_000);
            }
            latest.found_at = Some(self.clock.steady());
        }
        let checks = latest.checks.clone();
        drop(latest);
        let works = |(name, check): (&String, &CheckStatus)| check.ok || name == CLOCK;
        let ready = !draining && checks.iter().all(works);
        let degraded = checks.values().any(|check| !check.ok);
        Report { ready, degraded, draining, checks }
    }

    /// Returns why each dependency does not work; nothing for one that does.
    async fn look(&self) -> BTreeMap<String, Option<String>> {
        let looks = self.checks.iter().map(async |check| {
            let answer = self.clock.timeout(CHECK_LIMIT, (check.probe)()).await;
            let cause = match answer {
                Some(Ok(())) => None,
                Some(Err(error)) => Some(chain(&*error)),
                None => Some(format!("no answer within {} s", CHECK_LIMIT.as_secs())),
            };
            if let Some(cause) = &cause {
                tracing::warn!(dependency = check.name, error = cause, "not ready");
            }
            (check.name.clone(), cause)
        });
        let mut causes: BTreeMap<_, _> = join_all(looks).await.into_iter().collect();
        causes.insert(CLOCK.to_owned(), clock_cause(&self.clock));
        causes
    }
}

/// Returns what is wrong with this machine's clock, and what to do.
fn clock_cause(clock: &Clock) -> Option<String> {
    let skew = clock.skew().filter(|skew| skew.ahead_micros.unsigned_abs() > SKEW_MAX)?;
    let direction = if skew.ahead_micros > 0 { "ahead of" } else { "behind" };
    let tenths = skew.ahead_micros.unsigned_abs() / 100_000;
    Some(format!(
        "the clock of this machine is {}.{} s {direction} Genesys Cloud's; calls are served with \
         corrected times: set the clock by NTP",
        tenths / 10,
        tenths % 10,
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn names_what_does_not_work_and_looks_once_a_second() {
        let looks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&looks);
        let checks = vec![
            ReadinessCheck::new("store", move || {
                counted.fetch_add(1, Ordering::Relaxed);
                async { Ok::<_, Cause>(()) }
            }),
            ReadinessCheck::new("stream", || async { Err("down") }),
            ReadinessCheck::new("secrets", std::future::pending::<Result<(), Cause>>),
        ];
        let readiness = Readiness::new(Clock::scaled(1.0), checks);
        let report = readiness.report(false).await;
        assert!(!report.ready);
        let checks: Vec<_> =
            report.checks.iter().map(|(name, check)| (&**name, check.cause.as_deref())).collect();
        assert_eq!(
            checks,
            [
                ("clock", None),
                ("secrets", Some("no answer within 2 s")),
                ("store", None),
                ("stream", Some("down")),
            ]
        );
        readiness.report(false).await;
        tokio::time::sleep(REPORT_LIFE).await;
        readiness.report(true).await;
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn clock_that_is_off_is_named_and_keeps_no_call_away() {
        let genesys = Clock::starting_at(Timestamp::from_millis(1_800_000_000_000), 1.0);
        let clock = genesys.set_apart(40_000_000);
        let readiness = Readiness::new(clock, Vec::new());
        assert!(!readiness.report(false).await.degraded);
        for _ in 0..3 {
            let asked_at = clock.steady();
            let date = Timestamp::from_millis(genesys.now().as_secs() * 1_000);
            clock.observe(date, asked_at, asked_at);
            clock.sleep(Duration::from_millis(1_300)).await;
        }
        let report = readiness.report(false).await;
        assert!(report.ready && report.degraded);
        let cause = report.checks[CLOCK].cause.as_deref().unwrap();
        let wanted = "s ahead of Genesys Cloud's; calls are served with corrected times: set";
        assert!(cause.starts_with("the clock of this machine is ") && cause.contains(wanted));
        let since = report.checks[CLOCK].since;
        clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(readiness.report(false).await.checks[CLOCK].since, since);
    }
}
