//! The two pause switches: every row of docs/wire/audiohook.md, section 6.4.

use super::bench::{Bench, Deed, audio, call, ms, opened, opened_with, said};
use crate::client::{ClientEvent, ClientInput};
use crate::wire::{ClientBody, MediaTime, ServerBody};

fn last_skip(bench: &Bench) -> (MediaTime, MediaTime) {
    let ClientBody::Resumed(skip) = bench.last_body() else { panic!("resumed") };
    (skip.start, skip.discarded)
}

fn time(millis: u64) -> MediaTime {
    ms(millis).into()
}

/// Streams for 400 ms.
fn streaming() -> Bench {
    let mut bench = Bench::active(call());
    bench.run_millis(400);
    bench.deeds();
    bench
}

#[test]
fn pause_while_streaming_is_answered_by_paused_where_the_stream_stands() {
    let mut bench = streaming();
    bench.run_millis(50);
    bench.say(ServerBody::Pause);
    bench.run_millis(300);
    assert_eq!(bench.deeds(), [said("paused", 400)]);
    assert!(!bench.client.is_streaming());
}

#[test]
fn pause_while_paused_is_answered_by_paused_again() {
    let mut bench = streaming();
    bench.say(ServerBody::Pause);
    bench.run_millis(200);
    bench.say(ServerBody::Pause);
    bench.input(ClientInput::Pause);
    bench.run_millis(100);
    bench.say(ServerBody::Pause);
    let expected =
        [said("paused", 400), said("paused", 600), said("paused", 600), said("paused", 700)];
    assert_eq!(bench.deeds(), expected);
}

#[test]
fn resume_is_answered_by_resumed_with_start_and_length() {
    let mut bench = streaming();
    bench.say(ServerBody::Pause);
    bench.run_millis(333);
    bench.say(ServerBody::Resume);
    assert_eq!(last_skip(&bench), (time(400), time(333)));
    bench.run_millis(250);
    let expected = [said("paused", 400), said("resumed", 733), audio(733, 933, 1)];
    assert_eq!(bench.deeds(), expected);
}

#[test]
fn resume_while_the_client_pauses_is_answered_by_paused_and_resumed_comes_later() {
    let mut bench = streaming();
    bench.say(ServerBody::Pause);
    bench.input(ClientInput::Pause);
    bench.run_millis(100);
    bench.say(ServerBody::Resume);
    assert_eq!(bench.last_body(), &ClientBody::Paused);
    bench.run_millis(100);
    bench.input(ClientInput::Resume);
    assert_eq!(last_skip(&bench), (time(400), time(200)));
    let expected =
        [said("paused", 400), said("paused", 400), said("paused", 500), said("resumed", 600)];
    assert_eq!(bench.deeds(), expected);
    assert!(bench.client.is_streaming());
}

#[test]
fn resume_while_streaming_is_answered_by_resumed_without_length() {
    let mut bench = streaming();
    bench.run_millis(50);
    bench.say(ServerBody::Resume);
    assert_eq!(last_skip(&bench), (time(400), MediaTime::ZERO));
    bench.run_millis(150);
    assert_eq!(bench.deeds(), [said("resumed", 400), audio(400, 600, 1)]);
}

#[test]
fn the_clients_own_pause_is_told_unprompted_and_twice_if_it_begins_twice() {
    let mut bench = streaming();
    bench.input(ClientInput::Pause);
    bench.input(ClientInput::Pause);
    bench.run_millis(500);
    bench.input(ClientInput::Resume);
    bench.input(ClientInput::Resume);
    let expected = [said("paused", 400), said("paused", 400), said("resumed", 900)];
    assert_eq!(bench.deeds(), expected);
}

#[test]
fn the_end_of_the_clients_pause_under_the_servers_says_nothing() {
    let mut bench = streaming();
    bench.input(ClientInput::Pause);
    bench.run_millis(100);
    bench.say(ServerBody::Pause);
    bench.run_millis(100);
    bench.input(ClientInput::Resume);
    bench.run_millis(100);
    assert_eq!(bench.deeds(), [said("paused", 400), said("paused", 500)]);
    bench.say(ServerBody::Resume);
    assert_eq!(last_skip(&bench), (time(400), time(300)));
    assert_eq!(bench.deeds(), [said("resumed", 700)]);
}

#[test]
fn a_session_that_starts_paused_says_so_and_skips_what_was_heard() {
    let mut bench = Bench::opening(call());
    bench.run_millis(200);
    bench.say(opened_with(|opened| opened.start_paused = Some(true)));
    bench.run_millis(1_000);
    assert_eq!(
        bench.deeds(),
        [said("open", 0), said("paused", 0), said("ping", 1_200), said("ping", 1_200)]
    );
    bench.run_millis(800);
    bench.say(ServerBody::Resume);
    assert_eq!(last_skip(&bench), (time(0), time(2_000)));
    bench.run_millis(200);
    assert_eq!(bench.deeds(), [said("resumed", 2_000), audio(2_000, 2_200, 1)]);
    let ClientEvent::Opened { paused, .. } = bench.events[0] else { panic!("opened first") };
    assert!(paused);
}

#[test]
fn a_pause_of_the_client_before_opened_is_the_first_message_after_it() {
    let mut bench = Bench::opening(call());
    bench.input(ClientInput::Pause);
    bench.run_millis(300);
    bench.say(opened());
    bench.run_millis(300);
    bench.input(ClientInput::Resume);
    bench.run_millis(200);
    assert_eq!(
        bench.deeds(),
        [said("open", 0), said("paused", 0), said("resumed", 600), audio(600, 800, 1)]
    );
}

#[test]
fn nothing_said_during_an_early_pause_is_in_the_backlog() {
    let mut bench = Bench::opening(call());
    bench.run_millis(500);
    bench.input(ClientInput::Pause);
    bench.run_millis(700);
    bench.input(ClientInput::Resume);
    bench.run_millis(800);
    bench.say(opened());
    assert_eq!(
        bench.deeds(),
        [
            said("open", 0),
            audio(0, 500, 1),
            said("paused", 500),
            said("resumed", 1_200),
            audio(1_200, 2_000, 1),
        ]
    );
    assert_eq!(bench.client.sent_ranges(), [(ms(0), ms(500)), (ms(1_200), ms(2_000))]);
}

#[test]
fn pings_go_on_and_positions_run_during_a_pause() {
    let mut bench = streaming();
    bench.say(ServerBody::Pause);
    bench.run_millis(6_000);
    let expected =
        [said("paused", 400), said("ping", 1_000), said("ping", 1_000), said("ping", 6_000)];
    assert_eq!(bench.deeds(), expected);
}

#[test]
fn a_misbehaving_client_sends_frames_after_paused_and_keeps_its_count() {
    let mut config = call();
    config.faults.frames_after_paused = 2;
    let mut bench = Bench::active(config);
    bench.run_millis(200);
    bench.say(ServerBody::Pause);
    bench.say(ServerBody::Resume);
    let expected = [
        audio(0, 200, 1),
        said("paused", 200),
        Deed::Misplaced,
        Deed::Misplaced,
        said("resumed", 200),
    ];
    assert_eq!(bench.deeds(), expected);
    assert_eq!(bench.client.frames_sent(), 1);
}

#[test]
fn what_is_sent_and_what_is_skipped_leave_no_hole_and_no_overlap() {
    let mut bench = Bench::active(call());
    for round in 1..40_u64 {
        bench.run_millis(round * 37 % 500);
        match round % 5 {
            0 => bench.say(ServerBody::Pause),
            1 => bench.say(ServerBody::Resume),
            2 => bench.input(ClientInput::Pause),
            3 => bench.input(ClientInput::Resume),
            _ => bench.input(ClientInput::Discard(std::time::Duration::from_millis(round))),
        }
    }
    bench.say(ServerBody::Resume);
    bench.input(ClientInput::Resume);
    bench.input(ClientInput::End);
    let mut stands = ms(0);
    // `open` was said before the bench began to note.
    let mut texts = bench.texts.iter().skip(1);
    for deed in std::mem::take(&mut bench.deeds) {
        match deed {
            Deed::Audio(from, to, _) => {
                assert_eq!(from, stands);
                stands = to;
            }
            Deed::Said(..) => {
                let text = texts.next().unwrap();
                if let ClientBody::Resumed(skip) | ClientBody::Discarded(skip) = &text.body {
                    assert_eq!(skip.start.position(), stands);
                    stands = skip.start.plus(skip.discarded).position();
                }
                let is_last = matches!(text.body, ClientBody::Close { .. });
                let position = text.position.position();
                assert!(position == stands || (position > stands && !is_last));
            }
            Deed::Misplaced | Deed::Closed => panic!("neither was asked for"),
        }
    }
    assert_eq!(texts.next(), None);
    assert_eq!(bench.faults(), []);
}
