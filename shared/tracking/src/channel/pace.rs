//! How fast notification channels are made: somebody who made fifteen at once was refused.
//!
//! Source: docs/wire/notification.md, "Channels".

use std::collections::VecDeque;
use std::time::Duration;

use sidetone_model::Timestamp;
use sidetone_ports::Clock;
use tokio::sync::Mutex;

/// The most channels within [`SPAN`]: all of one OAuth client, and two that are replaced.
const CHANNELS_MAX: usize = 12;

const SPAN: Duration = Duration::from_secs(10);

/// Makes whoever wants a channel wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    made: Mutex<VecDeque<Timestamp>>,
}

impl Pace {
    /// Runs what makes a channel: after every other one, and not too soon.
    pub(super) async fn in_turn<T>(&self, clock: Clock, making: impl Future<Output = T>) -> T {
        let mut made = self.made.lock().await;
        if let Some(ready_at) = ready_at(&made) {
            clock.sleep_until(ready_at).await;
        }
        let done = making.await;
        made.push_back(clock.steady());
        while made.len() > CHANNELS_MAX {
            made.pop_front();
        }
        done
    }
}

/// Returns when another one may be made; nothing if there were few so far.
fn ready_at(made: &VecDeque<Timestamp>) -> Option<Timestamp> {
    let oldest = made.len().checked_sub(CHANNELS_MAX).and_then(|place| made.get(place))?;
    Some(*oldest + SPAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn twelve_go_at_once_and_the_next_one_waits() {
        let clock = Clock::scaled(1.0);
        let pace = Pace::default();
        let begun = clock.now();
        for _ in 0..CHANNELS_MAX {
            pace.in_turn(clock, std::future::ready(())).await;
        }
        assert!(clock.now().since(begun) < Duration::from_secs(1));
        pace.in_turn(clock, std::future::ready(())).await;
        assert!(clock.now().since(begun) >= SPAN);
    }

    #[test]
    fn the_oldest_of_the_last_twelve_decides() {
        let at = |secs: i64| Timestamp::from_millis(secs * 1_000);
        let made: VecDeque<_> = (0..11).map(at).collect();
        assert_eq!(ready_at(&made), None);
        let made: VecDeque<_> = (3..15).map(at).collect();
        assert_eq!(ready_at(&made), Some(at(13)));
    }
}
