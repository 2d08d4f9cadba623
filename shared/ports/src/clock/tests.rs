//! World time and steady time, apart and together.

use super::*;

const SECOND: i64 = 1_000_000;

fn clock() -> Clock {
    Clock::starting_at(Timestamp::from_millis(1_000_000), 1.0)
}

/// Asks Genesys what time it is: `other` is the clock that is right, an answer takes 20 ms.
async fn ask(clock: &Clock, other: &Clock) {
    let asked_at = clock.steady();
    clock.sleep(Duration::from_millis(10)).await;
    let date = Timestamp::from_millis(other.now().as_secs() * 1_000);
    clock.sleep(Duration::from_millis(10)).await;
    clock.observe(date, asked_at, clock.steady());
}

#[tokio::test(start_paused = true)]
async fn a_scaled_clock_lives_faster() {
    let clock = Clock::starting_at(Timestamp::from_millis(0), 10.0);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(clock.now(), Timestamp::from_millis(1_000));
    let before = Instant::now();
    clock.sleep(Duration::from_secs(5)).await;
    assert_eq!(before.elapsed(), Duration::from_millis(500));
    assert_eq!(clock.now(), Timestamp::from_millis(6_000));
}

#[tokio::test(start_paused = true)]
async fn a_step_moves_world_time_and_no_wait() {
    let (clock, before) = (clock(), Instant::now());
    clock.check();
    let due = clock.steady() + Duration::from_secs(5);
    clock.step(30 * SECOND);
    assert_eq!(clock.now().micros_after(clock.steady()), 30 * SECOND);
    assert_eq!(clock.check(), Some(30 * SECOND));
    assert_eq!(clock.check(), None);
    clock.sleep_until(due).await;
    assert_eq!(before.elapsed(), Duration::from_secs(5));
}

#[test]
fn the_machines_clock_is_read_each_time() {
    let clock = Clock::system();
    let (before, now, after) = (machine_time(), clock.now(), machine_time());
    assert!(before <= now && now <= after, "{before} {now} {after}");
}

#[tokio::test(start_paused = true)]
async fn genesys_time_corrects_a_clock_that_is_off() {
    let genesys = clock();
    for ahead in [-40, -5, -1, 1, 5, 40] {
        let clock = genesys.set_apart(ahead * SECOND);
        for _ in 0..20 {
            ask(&clock, &genesys).await;
            clock.sleep(Duration::from_millis(333)).await;
        }
        let off = clock.now().micros_after(genesys.now());
        assert!(off.abs() <= 100_000, "{ahead} s apart: off by {off} µs");
        let skew = clock.skew().expect("it is off");
        assert!((skew.ahead_micros - ahead * SECOND).abs() <= 100_000, "{skew:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_right_is_left_alone() {
    let genesys = clock();
    let clock = genesys.set_apart(0);
    for _ in 0..50 {
        ask(&clock, &genesys).await;
        clock.sleep(Duration::from_millis(777)).await;
        assert_eq!((clock.now(), clock.skew()), (genesys.now(), None));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_step_the_first_answer_of_genesys_counts() {
    let genesys = clock();
    let clock = genesys.set_apart(0);
    clock.check();
    ask(&clock, &genesys).await;
    clock.step(-30 * SECOND);
    assert_eq!(clock.check(), Some(-30 * SECOND));
    assert!(!clock.has_reference());
    ask(&clock, &genesys).await;
    let off = clock.now().micros_after(genesys.now());
    assert!(off.abs() <= SECOND, "off by {off} µs");
}

#[tokio::test(start_paused = true)]
async fn evidence_grows_old_and_the_machine_is_believed_again() {
    let genesys = clock();
    let clock = genesys.set_apart(5 * SECOND);
    ask(&clock, &genesys).await;
    assert!(clock.skew().is_some());
    clock.sleep(Duration::from_secs(3_600)).await;
    clock.check();
    assert_eq!(clock.skew(), None);
}
