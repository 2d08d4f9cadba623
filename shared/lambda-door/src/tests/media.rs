//! Media in text messages: whatever way it comes, the stream has it as it was sent.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sidetone_delivery_wire::{Body, Gap, GapReason};

use super::stage::{Broken, World, for_each_seed, open, text};

/// Frame number `frame`, of 200 ms, after the text of `seq`.
fn media(seq: u64, frame: u64, ms: u64) -> String {
    let data: Vec<u8> = sound(frame);
    text("media", seq, 0, ms, json!({ "frame": frame, "data": STANDARD.encode(data) }))
}

fn sound(frame: u64) -> Vec<u8> {
    (0..3_200u64).map(|byte| (frame * 31 + byte) as u8).collect()
}

/// Sixty frames with texts between them, each with the moment at which it is sent.
fn call(frames: u64) -> Vec<(u64, String)> {
    let (mut messages, mut seq) = (Vec::new(), 1);
    for frame in 1..=frames {
        let begins = (frame - 1) * 200;
        if frame % 10 == 0 {
            seq += 1;
            messages.push((begins, text("ping", seq, 0, begins, json!({}))));
        }
        messages.push((begins + 200, media(seq, frame, begins)));
    }
    let end = frames * 200;
    messages.push((end, text("close", seq + 1, 0, end, json!({ "reason": "end" }))));
    messages
}

async fn play(world: &Arc<World>, messages: Vec<(u64, String)>, delay_ms: u64, doubled: bool) {
    world.admit().await;
    world.message(&open()).await;
    let mut running = Vec::new();
    for (sent_at, message) in messages {
        for _ in 0..if doubled { 1 + world.below(2) } else { 1 } {
            let delay = Duration::from_millis(sent_at + world.below(delay_ms + 1));
            let (world, message) = (Arc::clone(world), message.clone());
            running.push(tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                world.message(&message).await;
            }));
        }
    }
    for one in running {
        one.await.unwrap();
    }
    world.disconnected().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
}

/// The audio of the stream, and what it says is missing.
fn heard(world: &World) -> (Vec<u8>, Vec<Gap>) {
    let (mut audio, mut gaps) = (Vec::new(), Vec::new());
    for body in world.bodies() {
        if let Body::Audio(one) = body {
            audio.extend_from_slice(&one.data);
        } else if let Body::Gap(gap) = body {
            gaps.push(gap);
        }
    }
    (audio, gaps)
}

#[test]
fn shuffled_and_doubled_media_is_heard_as_it_was_sent() {
    let expected: Vec<u8> = (1..=60).flat_map(sound).collect();
    for_each_seed(100, async |seed| {
        let world = World::new(seed, true, Duration::from_millis(15));
        let sweeper = world.sweeper();
        play(&world, call(60), 400, true).await;
        sweeper.abort();
        let (audio, gaps) = heard(&world);
        assert!(audio == expected && gaps.is_empty(), "{gaps:?}");
        assert_eq!(world.kinds().last().unwrap(), "closed");
        assert!(world.is_over());
    });
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_lost_is_one_gap() {
    // In the middle, right before a text, and the last of all.
    for lost in [17, 19, 60] {
        let world = World::new(lost, true, Duration::from_millis(5));
        let sweeper = world.sweeper();
        let is_lost = format!("\"frame\":{lost}");
        let mut messages = call(60);
        messages.retain(|(_, message)| !message.contains(&format!("{is_lost}}}")));
        assert_eq!(messages.len(), 66);
        play(&world, messages, 400, true).await;
        sweeper.abort();
        let (audio, gaps) = heard(&world);
        let expected: Vec<u8> = (1..=60).filter(|frame| *frame != lost).flat_map(sound).collect();
        assert!(audio == expected, "{lost}");
        let [gap] = &gaps[..] else { panic!("{gaps:?}") };
        assert_eq!((gap.from, gap.to), ((lost - 1) * 1_600, lost * 1_600));
        assert_eq!(gap.reason(), GapReason::Undelivered);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_stream_drops_the_oldest_frames_and_says_so() {
    let world = World::new(3, true, Duration::ZERO);
    let sweeper = world.sweeper();
    world.set_broken(Broken::Stream, true);
    let healer = tokio::spawn({
        let world = Arc::clone(&world);
        async move {
            tokio::time::sleep(Duration::from_secs(50)).await;
            world.set_broken(Broken::Stream, false);
        }
    });
    play(&world, call(300), 0, false).await;
    healer.await.unwrap();
    sweeper.abort();
    let mut covered = 0;
    for body in world.bodies() {
        let (from, to) = if let Body::Audio(one) = body {
            (one.position, one.position + u64::from(one.samples))
        } else if let Body::Gap(gap) = body {
            assert_eq!(gap.reason(), GapReason::Overflow);
            (gap.from, gap.to)
        } else {
            continue;
        };
        assert_eq!(from, covered);
        covered = to;
    }
    assert_eq!(covered, 300 * 1_600);
    // Pongs did not wait for the stream.
    assert_eq!(world.kinds().iter().filter(|kind| *kind == "pong").count(), 30);
}

#[tokio::test(start_paused = true)]
async fn media_where_none_was_taken_ends_the_session() {
    let world = World::new(4, false, Duration::ZERO);
    world.admit().await;
    world.message(&open()).await;
    world.message(&media(1, 1, 0)).await;
    assert_eq!(world.kinds(), ["opened", "disconnect"]);
}
