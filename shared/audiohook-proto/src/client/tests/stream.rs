//! Opening, backlog, frames in real time, gaps, the end; the probe; the worked trace.

use std::time::Duration;

use sidetone_model::{Media, MediaChannel, MediaChannels, Position};

use super::bench::{Bench, Deed, audio, call, ms, opened, opened_with, said};
use crate::client::{ClientConfig, ClientEvent, ClientInput, EndCause, FrameFault};
use crate::wire::{ClientBody, CloseReason, MediaTime, ServerBody};

#[test]
fn the_worked_trace_of_the_sheet() {
    let mut bench = Bench::opening(call());
    bench.say(opened());
    // The ping and the end of the fifth frame fall together; the frame goes first.
    bench.run_silent(Duration::from_micros(999_999));
    bench.now = bench.now + Duration::from_micros(1);
    bench.say_for(1, ServerBody::Pause);
    bench.say_for(3, ServerBody::Pong);
    bench.say_for(4, ServerBody::Pong);
    bench.run_silent(Duration::from_millis(800));
    bench.say_for(4, ServerBody::Resume);
    bench.run_silent(Duration::from_millis(2_200));
    bench.input(ClientInput::End);
    bench.say_for(6, ServerBody::Closed);
    assert_eq!(
        bench.deeds(),
        [
            said("open", 0),
            audio(0, 1_000, 5),
            said("paused", 1_000),
            said("ping", 1_000),
            said("ping", 1_000),
            said("resumed", 1_800),
            audio(1_800, 4_000, 11),
            said("close", 4_000),
            Deed::Closed,
        ]
    );
    let numbers: Vec<_> = bench.texts.iter().map(|text| (text.seq, text.serverseq)).collect();
    assert_eq!(numbers, [(1, 0), (2, 2), (3, 2), (4, 3), (5, 5), (6, 5)]);
    let ClientBody::Resumed(skip) = &bench.texts[4].body else { panic!("resumed") };
    assert_eq!((skip.start, skip.discarded), (time("PT1S"), time("PT0.8S")));
    assert_eq!(bench.texts[2].body, ClientBody::Ping { rtt: None });
    assert_eq!(bench.texts[3].body, ClientBody::Ping { rtt: Some(MediaTime::ZERO) });
    assert_eq!(bench.end(), Some((EndCause::Completed, false)));
    assert_eq!(bench.client.sent_ranges(), [(ms(0), ms(1_000)), (ms(1_800), ms(4_000))]);
    assert_eq!(bench.client.frames_sent(), 16);
    assert_eq!(bench.faults(), []);
}

fn time(text: &str) -> MediaTime {
    text.parse().unwrap()
}

#[test]
fn open_says_what_was_configured() {
    let bench = Bench::opening(call());
    let ClientBody::Open(open) = bench.last_body() else { panic!("open") };
    assert_eq!(**open, call().open);
    assert_eq!(open.media.len(), 3);
}

#[test]
fn a_backlog_goes_out_at_once_in_messages_of_four_seconds() {
    let mut config = call();
    config.timers.open = Duration::from_secs(60);
    let mut bench = Bench::opening(config);
    bench.run_millis(19_950);
    bench.say(opened());
    assert_eq!(bench.deeds(), [said("open", 0), audio(0, 19_800, 5)]);
    assert_eq!(bench.frames[0].1, ms(4_000));
    bench.run_millis(250);
    assert_eq!(bench.deeds(), [audio(19_800, 20_200, 2)]);
}

#[test]
fn a_setup_longer_than_the_history_discards_the_oldest_before_the_first_frame() {
    let mut config = call();
    config.timers.open = Duration::from_secs(60);
    let mut bench = Bench::opening(config);
    bench.run_millis(22_400);
    bench.say(opened());
    assert_eq!(bench.deeds(), [said("open", 0), said("discarded", 2_400), audio(2_400, 22_400, 5)]);
    let ClientBody::Discarded(skip) = bench.last_body() else { panic!("discarded") };
    assert_eq!((skip.start, skip.discarded), (time("PT0S"), time("PT2.4S")));
}

#[test]
fn a_retry_keeps_the_audio_of_the_first_attempt() {
    let mut bench = Bench::new(call());
    bench.run_millis(7_000);
    bench.input(ClientInput::SocketOpened);
    bench.run_millis(100);
    bench.say(opened());
    assert_eq!(bench.deeds(), [said("open", 0), audio(0, 7_000, 2)]);
}

#[test]
fn discard_to_is_granted_down_to_a_frame() {
    let mut bench = Bench::opening(call());
    bench.run_millis(3_000);
    bench.say(opened_with(|opened| opened.discard_to = Some(time("PT1.23S"))));
    assert_eq!(bench.deeds(), [said("open", 0), said("discarded", 1_200), audio(1_200, 3_000, 1)]);
}

#[test]
fn frames_of_100_ms_and_mono_messages_of_eight_seconds() {
    let mono = Media { channels: MediaChannels::new(&[MediaChannel::External]).unwrap(), ..STEREO };
    let mut config = call();
    config.frame = Duration::from_millis(100);
    let mut bench = Bench::new(config);
    bench.run_millis(9_000);
    bench.input(ClientInput::SocketOpened);
    bench.say(opened_with(|opened| opened.media = vec![mono]));
    bench.run_millis(500);
    assert_eq!(bench.deeds(), [said("open", 0), audio(0, 9_500, 7)]);
    assert_eq!(bench.frames[0].1, ms(8_000));
}

const STEREO: Media = Media::PCMU_STEREO;

#[test]
fn a_late_clock_sends_every_frame_it_missed() {
    let mut bench = Bench::active(call());
    bench.now = bench.now + Duration::from_millis(990);
    bench.input(ClientInput::Timeout);
    assert_eq!(bench.deeds(), [audio(0, 800, 4)]);
}

#[test]
fn the_end_sends_what_is_left_of_a_frame() {
    let mut bench = Bench::active(call());
    bench.run_millis(450);
    bench.input(ClientInput::End);
    assert_eq!(bench.deeds(), [audio(0, 450, 3), said("close", 450)]);
    assert_eq!(bench.last_body(), &ClientBody::Close { reason: Some(CloseReason::End) });
}

#[test]
fn the_end_before_opened_is_a_close_and_no_audio() {
    let mut bench = Bench::opening(call());
    bench.run_millis(450);
    bench.input(ClientInput::End);
    bench.say(ServerBody::Closed);
    assert_eq!(bench.deeds(), [said("open", 0), said("close", 0), Deed::Closed]);
    assert_eq!(bench.end(), Some((EndCause::Completed, false)));
    assert_eq!(bench.faults(), []);
}

#[test]
fn without_a_medium_the_session_lives_and_the_position_stands() {
    let mut bench = Bench::active(call());
    drop(bench);
    bench = Bench::opening(call());
    bench.say(opened_with(|opened| opened.media.clear()));
    bench.run_millis(1_500);
    bench.say(ServerBody::Pause);
    bench.run_millis(1_000);
    bench.say(ServerBody::Resume);
    bench.input(ClientInput::End);
    let expected = ["open", "ping", "ping", "paused", "resumed", "close"];
    assert_eq!(bench.deeds(), expected.map(|kind| said(kind, 0)));
    assert_eq!(
        bench.events[0],
        ClientEvent::Opened { media: None, paused: false, latency: Duration::ZERO }
    );
}

#[test]
fn throttled_audio_is_dropped_and_reported_before_the_next_frame() {
    let mut bench = Bench::active(call());
    bench.run_millis(400);
    bench.input(ClientInput::Discard(Duration::from_millis(1_100)));
    bench.run_millis(1_600);
    assert_eq!(
        bench.deeds_but_pings(),
        [audio(0, 400, 2), said("discarded", 1_500), audio(1_500, 1_900, 2)]
    );
    let positions: Vec<Position> = bench
        .texts
        .iter()
        .filter(|text| text.body.kind() == "ping")
        .map(|text| text.position.position())
        .collect();
    assert_eq!(positions, [ms(400), ms(400)], "what is not reported yet does not count");
}

#[test]
fn discarded_may_come_before_the_first_frame() {
    let mut bench = Bench::opening(call());
    bench.input(ClientInput::Discard(Duration::from_millis(300)));
    bench.run_millis(1_000);
    bench.say(opened());
    assert_eq!(bench.deeds(), [said("open", 0), said("discarded", 300), audio(300, 1_000, 1)]);
}

#[test]
fn a_discard_cut_short_by_the_end_reports_what_there_was() {
    let mut bench = Bench::active(call());
    bench.input(ClientInput::Discard(Duration::from_secs(9)));
    bench.run_millis(500);
    bench.input(ClientInput::End);
    assert_eq!(bench.deeds(), [said("discarded", 500), said("close", 500)]);
}

#[test]
fn a_probe_opens_sends_nothing_but_an_empty_message_and_closes() {
    let config = ClientConfig::probe(
        super::bench::SESSION.parse().unwrap(),
        "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap(),
    );
    let session = super::bench::SESSION.parse().unwrap();
    let mut bench = Bench::opening(ClientConfig { session, ..config });
    let ClientBody::Open(open) = bench.last_body() else { panic!("open") };
    assert!(open.is_probe());
    assert_eq!(open.participant.id.as_str(), "00000000-0000-0000-0000-000000000000");
    assert_eq!(open.participant.dnis.reveal(), "");
    bench.run_millis(50);
    bench.say(opened());
    bench.say(ServerBody::Closed);
    bench.run_millis(20_000);
    assert_eq!(bench.deeds(), [said("open", 0), audio(0, 0, 1), said("close", 0), Deed::Closed]);
    assert_eq!(bench.end(), Some((EndCause::Completed, false)));
    assert_eq!(bench.client.sent_ranges(), []);
}

#[test]
fn a_probe_without_medium_sends_no_binary_at_all() {
    let session = super::bench::SESSION.parse().unwrap();
    let organization = "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap();
    let config =
        ClientConfig { session, ..ClientConfig::probe(session.session_id(), organization) };
    let mut bench = Bench::opening(config);
    bench.say(opened_with(|opened| opened.media.clear()));
    bench.say(ServerBody::Closed);
    assert_eq!(bench.deeds(), [said("open", 0), said("close", 0), Deed::Closed]);
}

#[test]
fn planted_frames_are_odd_or_oversize_where_asked() {
    let mut config = call();
    config.faults.odd_frame_at = Some(2);
    config.faults.oversize_frame_at = Some(3);
    let mut bench = Bench::active(config);
    bench.run_millis(800);
    let faults: Vec<_> = bench.frames.iter().map(|(_, _, fault)| *fault).collect();
    assert_eq!(faults, [None, Some(FrameFault::Odd), Some(FrameFault::Oversize), None]);
}

#[test]
fn a_planted_gap_in_the_numbers_is_one_message_long() {
    let mut config = call();
    config.faults.wrong_seq_at = Some(2);
    let mut bench = Bench::active(config);
    bench.say(ServerBody::Pause);
    bench.say(ServerBody::Pause);
    let numbers: Vec<_> = bench.texts.iter().map(|text| text.seq).collect();
    assert_eq!(numbers, [1, 3, 4]);
}
