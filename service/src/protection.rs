//! Scale-in protection while calls run, so that neither scaling nor a deployment cuts them.
//!
//! It is asked for with a short life and renewed, so that a task that hangs is not protected
//! for long; and given back when no call has run for a moment. That ECS refuses is logged once
//! and tried again, and is nothing that calls notice.

use std::time::Duration;

use sidetone_ports::chain;
use tokio::time::Instant;

use crate::ecs::Task;

/// How often the sessions are counted.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long protection lasts if it is not renewed.
const LIFE_MINUTES: u32 = 10;
/// How often it is renewed: two of these may fail.
const RENEW_EVERY: Duration = Duration::from_secs(3 * 60);
/// How long there is no session before it is given back: one call follows another.
const LINGER: Duration = Duration::from_secs(15);
/// How long to wait after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(20);

/// What ECS knows of us.
#[derive(Debug, Default)]
struct State {
    /// When protection was last given.
    protected_at: Option<Instant>,
    /// When there last was a session.
    busy_at: Option<Instant>,
    /// When to ask again after a failure.
    retry_at: Option<Instant>,
}

/// What to ask for.
#[derive(Debug, PartialEq, Eq)]
enum Ask {
    Nothing,
    Protect,
    Release,
}

impl State {
    fn ask(&mut self, sessions: usize, now: Instant) -> Ask {
        if sessions > 0 {
            self.busy_at = Some(now);
        }
        if self.retry_at.is_some_and(|retry| now < retry) {
            return Ask::Nothing;
        }
        let is_busy = self.busy_at.is_some_and(|busy| now < busy + LINGER);
        match self.protected_at {
            None if sessions > 0 => Ask::Protect,
            Some(at) if is_busy && now >= at + RENEW_EVERY => Ask::Protect,
            Some(_) if !is_busy => Ask::Release,
            None | Some(_) => Ask::Nothing,
        }
    }
}

/// Keeps the task protected while `sessions` counts any, for ever; returns at once outside ECS.
pub(crate) async fn keep(task: &Task, sessions: impl Fn() -> usize) {
    if !task.has_agent() {
        tracing::info!("not a task of ECS: no protection against scale-in is needed");
        return;
    }
    let mut state = State::default();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let now = Instant::now();
        let (minutes, protected_at) = match state.ask(sessions(), now) {
            Ask::Nothing => continue,
            Ask::Protect => (Some(LIFE_MINUTES), Some(now)),
            Ask::Release => (None, None),
        };
        match task.protect(minutes).await {
            Ok(()) => {
                if state.protected_at.is_some() != protected_at.is_some() {
                    tracing::info!(protected = minutes.is_some(), "scale-in protection changed");
                }
                state = State { protected_at, retry_at: None, ..state };
            }
            Err(error) => {
                metrics::counter!("sidetone_task_protection_failures_total").increment(1);
                if state.retry_at.is_none() {
                    tracing::warn!(
                        error = chain(&error),
                        protect = minutes.is_some(),
                        "scale-in protection could not be changed, trying again"
                    );
                }
                state.retry_at = Some(Instant::now() + RETRY_AFTER);
            }
        }
    }
}

/// Gives protection back when the process ends.
pub(crate) async fn release(task: &Task) {
    if let Err(error) = task.protect(None).await {
        tracing::warn!(error = chain(&error), "scale-in protection was not given back; it lapses");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;
    use crate::ecs::tests::FakeEcs;

    #[test]
    fn is_asked_for_renewed_and_given_back() {
        let mut state = State::default();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(state.ask(0, at(0)), Ask::Nothing);
        assert_eq!(state.ask(1, at(1)), Ask::Protect);
        state.protected_at = Some(at(1));
        assert_eq!(state.ask(2, at(2)), Ask::Nothing);
        assert_eq!(state.ask(2, at(181)), Ask::Protect);
        state.protected_at = Some(at(181));
        // One call ends and the next one begins.
        assert_eq!(state.ask(0, at(190)), Ask::Nothing);
        assert_eq!(state.ask(1, at(195)), Ask::Nothing);
        assert_eq!(state.ask(0, at(209)), Ask::Nothing);
        assert_eq!(state.ask(0, at(210)), Ask::Release);
        state.retry_at = Some(at(230));
        assert_eq!(state.ask(0, at(229)), Ask::Nothing);
        assert_eq!(state.ask(0, at(230)), Ask::Release);
    }

    #[tokio::test]
    async fn follows_the_sessions_through_a_failure() {
        let ecs = FakeEcs::start(vec![(
            200,
            json!({"protection": {"ProtectionEnabled": true, "TaskArn": "x"}}),
        )])
        .await;
        let task = Task::at(None, Some(ecs.url()));
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let keeping = tokio::spawn(async move {
            keep(&task, move || counted.load(Ordering::Relaxed)).await;
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(ecs.requests().is_empty(), "nothing is asked without a session");
        count.store(3, Ordering::Relaxed);
        let request = ecs.next_request().await;
        assert_eq!(request.0, "PUT /task-protection/v1/state");
        assert_eq!(request.1, json!({"ProtectionEnabled": true, "ExpiresInMinutes": 10}));
        keeping.abort();
    }

    #[tokio::test]
    async fn nobody_is_asked_outside_ecs() {
        let task = Task::at(None, None);
        keep(&task, || 5).await;
        release(&task).await;
    }
}
