//! What `tail` prints of a stream.

use std::io;

use clap::Parser;
use serde_json::Value;
use sidetone_delivery_wire as wire;
use sidetone_delivery_wire::{Heading, encode};
use sidetone_model::{ConnectionId, ConversationKey};
use sidetone_ports::{RecordSink, StreamRecord};

use super::*;
use crate::args::{Args, Command};
use crate::output::Looks;

const CALL: &str = "c0ffee12-3456-4789-8abc-def012345678";

fn made_at() -> Timestamp {
    "2026-08-15T09:00:12.864Z".parse().unwrap()
}

async fn put(stream: &Stream, conversation: &str, from: u64, bodies: Vec<Body>) {
    let key = ConversationKey {
        organization: crate::SIMULATED_ORGANIZATION,
        conversation: conversation.parse().unwrap(),
    };
    let session = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071".parse().unwrap();
    let heading = Heading::new(key, Some(session), &ConnectionId::new("door-1"));
    let records = (from..).zip(bodies).map(|(number, body)| (number, made_at(), body));
    let record = StreamRecord { partition_key: key.conversation, data: encode(&heading, records) };
    stream.put(vec![record]).await.unwrap();
}

fn audio(position: u64, agent: &str) -> Body {
    let (data, agent_id) = (vec![0xff; 3_200].into(), agent.to_owned());
    Body::Audio(Audio { position, samples: 1_600, data, agent_id, held: false })
}

fn a_call() -> Vec<Body> {
    let mut started =
        wire::SessionStarted { rate: 8_000, listen: "matched".into(), ..Default::default() };
    started.set_format(wire::AudioFormat::Pcmu);
    started.push_channels(wire::MediaChannel::External);
    started.push_channels(wire::MediaChannel::Internal);
    let mut event = wire::CallEvent { agent_id: "ada".into(), position: 800, ..Default::default() };
    event.set_kind(wire::CallEventKind::Started);
    let matched = wire::Match { agent_id: "ada".into(), position: 800, ..Default::default() };
    let mut gap = wire::Gap { from: 11_200, to: 12_800, frames: 1, ..Default::default() };
    gap.set_reason(wire::GapReason::Overflow);
    let mut ended =
        wire::SessionEnded { position: 12_800, frames_accepted: 8, ..Default::default() };
    ended.set_cause(wire::EndCause::Closed);
    let mut bodies =
        vec![Body::SessionStarted(started), Body::CallEvent(event), Body::Match(matched)];
    bodies.extend((0..7).map(|frame| audio(frame * 1_600, "ada")));
    bodies.extend([Body::Gap(gap), Body::SessionEnded(ended)]);
    bodies
}

async fn tailed(stream: &Stream, options: &str) -> String {
    let line = format!("sidetone tail --once --from start {options}");
    let args = Args::try_parse_from(line.split_whitespace()).unwrap();
    let Command::Tail(tail) = &args.command else { panic!("not tail") };
    let mut results = Vec::new();
    let looks = Looks { json: args.global.json, ..Looks::default() };
    let mut output = Output::new(&mut results, io::sink(), looks);
    follow(stream.clone(), "data", tail, &mut output).await.unwrap();
    drop(output);
    String::from_utf8(results).unwrap()
}

async fn one_call() -> Stream {
    let stream = Stream::in_memory(Clock::system()).unwrap();
    put(&stream, CALL, 1, a_call()).await;
    stream
}

#[tokio::test]
async fn audio_is_summed_up_and_the_rest_told_line_by_line() {
    assert_eq!(
        tailed(&one_call().await, "").await,
        "09:00:12.864  c0ffee12    00:00.0                      \
         session started: PCMU external+internal, listens matched\n\
         09:00:12.864  c0ffee12    00:00.1  ada                 started\n\
         09:00:12.864  c0ffee12    00:00.1  ada                 matched\n\
         09:00:12.864  c0ffee12    00:00.0  ada                 audio 1.0 s in 5 frames\n\
         09:00:12.864  c0ffee12    00:01.0  ada                 audio 400 ms in 2 frames\n\
         09:00:12.864  c0ffee12    00:01.4                      gap of 200 ms (overflow), 1 frame\n\
         09:00:12.864  c0ffee12    00:01.6                      \
         session ended (closed): 0 frames received, 8 of an agent, 0 of these in gaps\n"
    );
}

#[tokio::test]
async fn each_frame_has_a_line_where_that_is_asked_for() {
    let text = tailed(&one_call().await, "--frames").await;
    assert_eq!(text.lines().filter(|line| line.ends_with("audio 200 ms in 1 frame")).count(), 7);
}

#[tokio::test]
async fn another_conversation_is_left_out() {
    let stream = one_call().await;
    put(&stream, "beef0000-3456-4789-8abc-def012345678", 1, vec![audio(0, "bo")]).await;
    let text = tailed(&stream, "--conversation beef").await;
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("beef0000") && text.contains("bo"), "{text}");
}

#[tokio::test]
async fn as_json_each_record_is_an_object_and_audio_only_on_demand() {
    let stream = one_call().await;
    for (options, has_audio) in [("--json", false), ("--json --audio", true)] {
        let text = tailed(&stream, options).await;
        let values: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(values.len(), 12);
        assert_eq!(values[0]["channels"], serde_json::json!(["external", "internal"]));
        assert_eq!(values[3]["type"], "audio");
        assert_eq!(values[3]["conversation_id"], CALL);
        assert_eq!(values[3]["made_at"], "2026-08-15T09:00:12.864Z");
        assert_eq!(values[3]["data"].is_string(), has_audio);
        assert_eq!(
            (&values[10]["reason"], &values[10]["to"]),
            (&"overflow".into(), &12_800.into())
        );
    }
}

#[tokio::test]
async fn what_never_came_is_said() {
    let stream = Stream::in_memory(Clock::system()).unwrap();
    put(&stream, CALL, 3, vec![audio(0, "ada\u{1b}[2J")]).await;
    let text = tailed(&stream, "").await;
    assert!(text.contains("records 1 to 2 never came"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}
