//! Plays a number of calls, some at a time, and has them judged.

use std::sync::Arc;
use std::time::Duration;

use sidetone_genesys_sim::Script;
use tokio::task::{JoinError, JoinSet};

use super::evidence::Evidence;
use super::house::House;
use super::premises::Premises;
use super::story::Story;
use crate::failure::Failure;
use crate::judge::Verdict;

/// Time between the beginnings of the first calls, so that they do not run in step.
const STAGGER: Duration = Duration::from_millis(230);

/// Sessions that may wait for their verdict; each holds its audio in memory.
///
/// Judging takes time from the calls that still run, so it waits for their end if it can.
const UNJUDGED_MAX: usize = 150;

/// The finding about one session.
pub(super) struct Finding {
    /// The place of its call among those asked for.
    pub(super) call: usize,
    /// Its place in the call.
    pub(super) session: usize,
    pub(super) verdict: Verdict,
    pub(super) story: Story,
    /// How long the machine stood still at worst meanwhile, if it did. Units: the clock's time.
    pub(super) stood_still: Option<Duration>,
}

/// Plays calls, each with its place among those asked for; `over` is told of each that is.
pub(super) async fn play(
    premises: &mut Premises,
    mut scripts: Vec<(usize, Script)>,
    concurrency: usize,
    over: &mut impl FnMut(),
) -> Result<Vec<Finding>, Failure> {
    // The longest first, so that no long one is left alone at the end.
    scripts.sort_by_key(|(_, script)| script.length());
    let clock = premises.clock;
    let mut court = Court { waiting: Vec::new(), done: Vec::new() };
    let mut calls: JoinSet<Vec<Waiting>> = JoinSet::new();
    let mut stagger = Duration::ZERO;
    loop {
        while calls.len() < concurrency.max(1) {
            let Some((call, script)) = scripts.pop() else { break };
            let Some(house) = premises.house(&script).await? else { continue };
            // Who stands alone is in step with nobody, but with the tracker just started.
            let wait = if house.stands_alone() { Duration::ZERO } else { stagger };
            stagger += STAGGER;
            calls.spawn(async move {
                clock.sleep(wait).await;
                let sessions = house.play(script).await.into_iter().enumerate();
                let waiting = |(session, evidence)| Waiting {
                    call,
                    session,
                    house: Arc::clone(&house),
                    evidence,
                };
                sessions.map(waiting).collect()
            });
        }
        // Later calls begin where others end, which is as good.
        stagger = Duration::ZERO;
        let Some(call) = calls.join_next().await else { break };
        over();
        court.waiting.extend(call.map_err(broke_off)?);
        while court.waiting.len() > UNJUDGED_MAX {
            court.judge_one(premises).await?;
        }
    }
    while !court.waiting.is_empty() {
        court.judge_one(premises).await?;
    }
    Ok(court.done)
}

struct Waiting {
    call: usize,
    session: usize,
    house: Arc<House>,
    evidence: Evidence,
}

/// Sessions before, and behind, the judge.
struct Court {
    waiting: Vec<Waiting>,
    done: Vec<Finding>,
}

impl Court {
    async fn judge_one(&mut self, premises: &mut Premises) -> Result<(), Failure> {
        let Some(Waiting { call, session, house, evidence }) = self.waiting.pop() else {
            return Ok(());
        };
        let (sidecar, wav) = match evidence.report() {
            Some((organization, report)) => {
                (house.sidecar(organization, report).await, house.wav(organization, report).await)
            }
            None => (None, None),
        };
        premises.leave(house).await;
        let stood_still = premises.weather.worst(evidence.began_at, evidence.ended_at);
        let judging = tokio::task::spawn_blocking(move || evidence.judged(sidecar, wav));
        let (verdict, story) = judging.await.map_err(broke_off)?;
        self.done.push(Finding { call, session, verdict, story, stood_still });
        Ok(())
    }
}

fn broke_off(error: JoinError) -> Failure {
    Failure::fault("a simulated call broke off").because(error)
}
