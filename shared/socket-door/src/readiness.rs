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

/// What `/readyz` says. Causes go to the log; the answer is for anybody who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// Whether calls should be sent here.
    pub(crate) ready: bool,
    /// Whether the door is about to close.
    pub(crate) draining: bool,
    /// Each dependency.
    pub(crate) checks: BTreeMap<String, bool>,
}

/// All checks of a door.
#[derive(Debug)]
pub(crate) struct Readiness {
    clock: Clock,
    checks: Vec<ReadinessCheck>,
    latest: Mutex<Option<(Timestamp, BTreeMap<String, bool>)>>,
}

impl Readiness {
    pub(crate) fn new(clock: Clock, checks: Vec<ReadinessCheck>) -> Self {
        Self { clock, checks, latest: Mutex::default() }
    }

    /// Looks at everything, or repeats what was just found.
    pub(crate) async fn report(&self, draining: bool) -> Report {
        // Held over the look, so that many who ask at once cause one look.
        let mut latest = self.latest.lock().await;
        let fresh = latest
            .take()
            .filter(|(found_at, _)| self.clock.steady().since(*found_at) < REPORT_LIFE);
        let (found_at, checks) = match fresh {
            Some(known) => known,
            None => {
                let checks = self.look().await;
                (self.clock.steady(), checks)
            }
        };
        *latest = Some((found_at, checks.clone()));
        drop(latest);
        let ready = !draining && checks.values().all(|works| *works);
        Report { ready, draining, checks }
    }

    async fn look(&self) -> BTreeMap<String, bool> {
        let looks = self.checks.iter().map(async |check| {
            let answer = self.clock.timeout(CHECK_LIMIT, (check.probe)()).await;
            let works = match answer {
                Some(Ok(())) => true,
                Some(Err(error)) => {
                    tracing::warn!(dependency = check.name, error = %chain(&*error), "not ready");
                    false
                }
                None => {
                    tracing::warn!(dependency = check.name, "not ready: no answer in time");
                    false
                }
            };
            (check.name.clone(), works)
        });
        join_all(looks).await.into_iter().collect()
    }
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
        let checks: Vec<_> = report.checks.iter().map(|(name, ok)| (&**name, *ok)).collect();
        assert_eq!(checks, [("secrets", false), ("store", true), ("stream", false)]);
        readiness.report(false).await;
        tokio::time::sleep(REPORT_LIFE).await;
        readiness.report(true).await;
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }
}
