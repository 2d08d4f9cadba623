//! All servers side by side, one of them under load at a time, round after round.
//!
//! What a processor does in a second depends on what else the machine does, and changes within
//! minutes. Servers measured one after the other would be compared over such changes; those
//! that take turns of two seconds meet the same machine.

use std::path::Path;
use std::time::Duration;

use crate::Failure;
use crate::args::{Kind, Plan};
use crate::figures::{Relay, Work};
use crate::places::Cores;
use crate::report::say;
use crate::visit::Visit;

/// How often each server gets its turn. Short turns and many of them: what disturbs one round
/// is over in the next, and figures are medians.
const ROUNDS: usize = 11;
const ROUNDS_QUICK: usize = 5;
/// A turn, after the first frames of it.
const TURN: Duration = Duration::from_secs(2);

/// Measures the processor time of several servers in turns.
pub(crate) async fn relay(
    kinds: &[Kind],
    plan: &Plan,
    cores: Cores,
    data: &Path,
) -> Result<Vec<Relay>, Failure> {
    let mut visits = Vec::new();
    for kind in kinds {
        let visit = Visit::begin(*kind, plan, cores, data).await?;
        visit.fill(plan.steady_sessions()).await?;
        visits.push((visit, Vec::<Work>::new()));
    }
    let rounds = if plan.quick { ROUNDS_QUICK } else { ROUNDS };
    for round in 1..=rounds {
        say(&format!("all in turns, round {round} of {rounds}"));
        for (visit, turns) in &mut visits {
            turns.push(visit.turn(TURN).await?);
        }
    }
    let mut relays = Vec::new();
    for (visit, turns) in visits {
        relays.push(Relay { kind: visit.kind(), turns });
        visit.end().await?;
    }
    Ok(relays)
}
