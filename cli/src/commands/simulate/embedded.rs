//! Calls against a Sidetone of our own, from the first ring to the verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sidetone_genesys_sim::{Recording, Scenario, Script, Source};
use sidetone_model::Listen;
use sidetone_tracking::{LagFigures, Lags};

use super::premises::{Premises, Wanted};
use super::round::{Finding, play};
use super::story::Story;
use crate::args::Plant;
use crate::failure::Failure;
use crate::judge::{Cause, Verdict};

/// How often a call is played at most, if the machine does not keep still.
const PLAYS_MAX: u32 = 5;

/// The same where the system is a stack, how still whose machines keep is not seen from here.
const STACK_PLAYS_MAX: u32 = 2;

/// Calls that are played again at a time; fewer, as the machine is troubled already.
const REPLAYED_AT_ONCE_MAX: usize = 8;

/// How long it must have stood still for time limits to run out. Units: the clock's time.
const STANDSTILL_MIN: Duration = Duration::from_millis(800);

/// What to play, and how.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// Which stories.
    pub scenarios: Vec<Scenario>,
    /// How often each.
    pub calls: u32,
    /// How many times faster than the world everything runs.
    pub speed: f64,
    /// Where all randomness comes from; the first call of each story has this seed, the next
    /// one the next.
    pub seed: u64,
    /// What is said instead of the built-in voices.
    pub sound: Option<Arc<Recording>>,
    /// How many calls run at once.
    pub concurrency: usize,
    /// A fault, so that the verdict must be no.
    pub plant: Option<Plant>,
    /// Where to keep state and recordings; without it they are removed.
    pub data: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct EmbeddedReport {
    /// Every call is as it has to be, and no rule of Genesys was broken.
    pub ok: bool,
    /// As it was asked for.
    pub seed: u64,
    /// As it was asked for.
    pub speed: f64,
    /// One finding a session, by scenario and seed.
    pub calls: Vec<Verdict>,
    /// The rules of Genesys' platform that Sidetone broke.
    pub violations: Vec<String>,
    /// How late call events were, by the source that told of them.
    pub lags: BTreeMap<&'static str, Lag>,
    /// The same calls in words, in the same order.
    #[serde(skip)]
    pub stories: Vec<Story>,
    /// Where recordings were kept.
    #[serde(skip)]
    pub recordings: Vec<PathBuf>,
}

/// How late the events of one source were: from when they happened to when they were in the
/// store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// How many there were.
    pub events: u64,
    /// The median.
    pub p50_ms: u64,
    /// What 99 in a hundred did not exceed.
    pub p99_ms: u64,
}

impl Embedded {
    /// Plays each of some stories once, as fast as the world.
    pub fn new(scenarios: Vec<Scenario>) -> Self {
        Self {
            scenarios,
            calls: 1,
            speed: 1.0,
            seed: 1,
            sound: None,
            concurrency: 20,
            plant: None,
            data: None,
        }
    }

    /// Returns how many calls there will be.
    pub fn call_count(&self) -> u64 {
        self.scenarios.len() as u64 * u64::from(self.calls)
    }

    /// Plays everything and judges it; `over` is told of each call that is.
    ///
    /// A call that is not as it has to be, for nothing but what a slow or halting machine can
    /// bring about, is played again if the machine was slow or did halt meanwhile.
    ///
    /// Errors: [`Failure`] if something does not even start.
    pub async fn run(&self, mut over: impl FnMut()) -> Result<EmbeddedReport, Failure> {
        let premises = Premises::open(Wanted {
            speed: self.speed,
            listens: self.listens(),
            data: self.data.as_deref(),
            sound: self.sound.clone().map(Source::File),
            plant: self.plant,
        })
        .await?;
        self.judge(premises, &mut over).await
    }

    /// Plays everything against a deployed stack and judges it; `over` is told of each call.
    ///
    /// A call that is not as it has to be, for nothing but what slow machines can bring about, is
    /// played once more.
    /// Everything runs with the world; `data`, `sound` and `plant` are of no effect.
    /// Errors: [`Failure`] if the stack is not made for that, or its tracker does not listen, or
    /// a story stands alone.
    #[cfg(feature = "aws")]
    pub(crate) async fn run_deployed(
        &self,
        stack: &crate::stack::Stack,
        doors: &[crate::args::DoorAddress],
        relay: Option<sidetone_genesys_sim::Relay>,
        mut over: impl FnMut(),
    ) -> Result<EmbeddedReport, Failure> {
        if let Some(alone) = self.scenarios.iter().find(|scenario| scenario.stands_alone()) {
            return Err(Failure::bad_input(format!("{alone} cannot be played against a stack"))
                .hint("it needs a platform and a tracker that no other call shares"));
        }
        let premises = Premises::deployed(stack, doors, relay, self.listens()).await?;
        self.judge(premises, &mut over).await
    }

    fn listens(&self) -> Vec<Listen> {
        self.scripts().map(|script| script.listen).collect()
    }

    async fn judge(
        &self,
        mut premises: Premises,
        over: &mut impl FnMut(),
    ) -> Result<EmbeddedReport, Failure> {
        let scripts: Vec<Script> = self.scripts().collect();
        let all = scripts.iter().cloned().enumerate().collect();
        let mut findings = play(&mut premises, all, self.concurrency, over).await?;
        let plays_max = if premises.is_own() { PLAYS_MAX } else { STACK_PLAYS_MAX };
        for plays in 2..=plays_max {
            let again = self.disturbed(&findings, premises.is_own());
            if again.is_empty() {
                break;
            }
            let some = again.iter().map(|call| (*call, scripts[*call].clone())).collect();
            let concurrency = self.concurrency.min(REPLAYED_AT_ONCE_MAX);
            let fresh = play(&mut premises, some, concurrency, &mut || {}).await?;
            findings.retain(|finding| !again.contains(&finding.call));
            findings.extend(fresh.into_iter().map(|finding| Finding {
                verdict: Verdict { plays, ..finding.verdict },
                ..finding
            }));
        }
        findings.sort_by_key(|finding| (finding.call, finding.session));
        let lags = lags_of(premises.lags());
        let (violations, recordings) = premises.close().await;
        let mut report = EmbeddedReport {
            ok: violations.is_empty() && findings.iter().all(|finding| finding.verdict.ok),
            seed: self.seed,
            speed: self.speed,
            calls: Vec::with_capacity(findings.len()),
            violations,
            lags,
            stories: Vec::with_capacity(findings.len()),
            recordings,
        };
        for finding in findings {
            report.calls.push(finding.verdict);
            report.stories.push(finding.story);
        }
        Ok(report)
    }

    /// Writes every call, story by story.
    fn scripts(&self) -> impl Iterator<Item = Script> {
        let seeds = move || (0..u64::from(self.calls)).map(|call| self.seed.wrapping_add(call));
        self.scenarios
            .iter()
            .flat_map(move |scenario| seeds().map(move |seed| Script::new(*scenario, seed)))
    }

    /// Returns the calls whose verdict says more of the machine than of Sidetone.
    fn disturbed(&self, findings: &[Finding], is_own: bool) -> BTreeSet<usize> {
        // With a fault planted, no is the right answer.
        if self.plant.is_some() {
            return BTreeSet::new();
        }
        let bad = findings.iter().filter(|finding| !finding.verdict.ok);
        let disturbed = |finding: &&Finding| {
            let verdict = &finding.verdict;
            let once_more = verdict
                .cause
                .is_some_and(|cause| may_be_machines(cause, is_own.then_some(finding.stood_still)));
            tracing::debug!(
                scenario = verdict.scenario,
                seed = verdict.seed,
                stood_still = ?finding.stood_still,
                problems = ?verdict.problems,
                once_more,
                "a call is not as it has to be"
            );
            once_more
        };
        bad.filter(disturbed).map(|finding| finding.call).collect()
    }
}

/// Returns whether machines may have brought it about, of which it is known, if they are seen from
/// here, how long they stood still, if they did.
fn may_be_machines(cause: Cause, seen: Option<Option<Duration>>) -> bool {
    match (cause, seen) {
        (Cause::Fault, _) | (_, Some(None)) => false,
        (Cause::Slowness, _) | (Cause::Standstill, None) => true,
        (Cause::Standstill, Some(Some(lasted))) => lasted >= STANDSTILL_MIN,
    }
}

fn lags_of(lags: &Lags) -> BTreeMap<&'static str, Lag> {
    let millis = |lag: Duration| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
    let figures = lags.figures().into_iter();
    let lag = |one: LagFigures| Lag {
        events: one.count,
        p50_ms: millis(one.p50),
        p99_ms: millis(one.p99),
    };
    figures.map(|(source, one)| (source.as_str(), lag(one))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_blamed_for_nothing_that_they_cannot_have_done() {
        let (slow, still) = (Some(Duration::from_millis(90)), Some(STANDSTILL_MIN));
        for (cause, well, seen_slow, seen_still, unseen) in [
            (Cause::Slowness, false, true, true, true),
            (Cause::Standstill, false, false, true, true),
            (Cause::Fault, false, false, false, false),
        ] {
            assert_eq!(may_be_machines(cause, Some(None)), well, "{cause:?}");
            assert_eq!(may_be_machines(cause, Some(slow)), seen_slow, "{cause:?}");
            assert_eq!(may_be_machines(cause, Some(still)), seen_still, "{cause:?}");
            assert_eq!(may_be_machines(cause, None), unseen, "{cause:?}");
        }
    }
}
