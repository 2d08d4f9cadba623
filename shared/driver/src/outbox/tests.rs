//! The queue of one session: numbers without holes, gaps for what had to go.

use proptest::prelude::*;
use sidetone_delivery_wire::{Audio, CallRecord, SessionEnded, decode};
use sidetone_model::{ConnectionId, ConversationId, ConversationKey, OrganizationId};

use super::*;

fn outbox() -> Outbox {
    let key = ConversationKey {
        organization: OrganizationId::new(uuid::Uuid::from_u128(1)),
        conversation: ConversationId::new(uuid::Uuid::from_u128(2)),
    };
    Outbox::new(Heading::new(key, None, &ConnectionId::new("c")))
}

fn frame(index: u64) -> Body {
    Body::Audio(Audio {
        position: index * 1_600,
        samples: 1_600,
        data: vec![0; 3_200].into(),
        ..Audio::default()
    })
}

fn take(outbox: &mut Outbox) -> Vec<CallRecord> {
    let mut data = Vec::new();
    let bytes_max = outbox.choose();
    outbox.encode_chosen(&mut data);
    assert!(data.len() <= bytes_max, "{} bytes, {bytes_max} at most", data.len());
    assert!(data.len() <= StreamRecord::DATA_BYTES_MAX);
    decode(data.into()).unwrap()
}

/// What is put down and taken up again.
fn again(outbox: &Outbox) -> Outbox {
    Outbox::restore(outbox.heading().clone(), outbox.snapshot()).unwrap()
}

fn now() -> Timestamp {
    Timestamp::default()
}

#[test]
fn what_is_in_doubt_goes_again_under_the_same_numbers() {
    let mut outbox = outbox();
    outbox.push(now(), frame(0));
    let first = take(&mut outbox);
    outbox.push(now(), frame(1));
    assert_eq!(take(&mut outbox), first);
    assert_eq!(take(&mut again(&outbox)), first);
    outbox.commit();
    let numbers: Vec<_> = take(&mut outbox).iter().map(|record| record.number).collect();
    assert_eq!(numbers, [2]);
}

#[test]
fn the_oldest_unsent_frames_become_one_gap() {
    let mut outbox = outbox();
    outbox.push(now(), frame(0));
    let _in_flight = take(&mut outbox);
    for index in 1..6 {
        outbox.push(now(), frame(index));
    }
    assert_eq!([(); 3].map(|()| outbox.drop_oldest_frame()), [3_200; 3]);
    outbox.commit();
    outbox.push(now(), Body::SessionEnded(SessionEnded::default()));
    let records = take(&mut outbox);
    let Some(Body::Gap(gap)) = &records[0].body else { panic!("no gap first") };
    assert_eq!((gap.from, gap.to, gap.frames), (1_600, 6_400, 3));
    assert_eq!(gap.reason(), GapReason::Overflow);
    assert_eq!(records.iter().map(|record| record.number).collect::<Vec<_>>(), [2, 3, 4, 5]);
    let Some(Body::SessionEnded(ended)) = &records[3].body else { panic!("no end last") };
    assert_eq!(ended.frames_in_gaps, 3);
}

#[test]
fn a_record_never_outgrows_the_stream() {
    let mut outbox = outbox();
    for index in 0..1_000 {
        outbox.push(now(), frame(index));
    }
    let mut frames = 0;
    while !outbox.is_empty() {
        frames += take(&mut outbox).len();
        outbox.commit();
    }
    assert_eq!(frames, 1_000);
    assert_eq!(outbox.audio_bytes(), 0);
}

proptest! {
    #[test]
    fn every_frame_is_committed_or_in_a_gap(steps in prop::collection::vec(0u8..5, 1..200)) {
        let mut outbox = outbox();
        let (mut pushed, mut seen) = (0u64, Vec::new());
        let mut in_flight = Vec::new();
        let mut finish = |outbox: &mut Outbox, in_flight: &mut Vec<CallRecord>| {
            outbox.commit();
            seen.append(in_flight);
        };
        for step in steps {
            match step {
                0 | 1 => { outbox.push(now(), frame(pushed)); pushed += 1; }
                2 => { outbox.drop_oldest_frame(); }
                3 => outbox = again(&outbox),
                _ if in_flight.is_empty() => in_flight = take(&mut outbox),
                _ => finish(&mut outbox, &mut in_flight),
            }
        }
        loop {
            finish(&mut outbox, &mut in_flight);
            in_flight = take(&mut outbox);
            if in_flight.is_empty() { break; }
        }
        let numbers: Vec<u64> = seen.iter().map(|record| record.number).collect();
        prop_assert_eq!(numbers, (1..=seen.len() as u64).collect::<Vec<_>>());
        let covered: u64 = seen.iter().map(|record| match &record.body {
            Some(Body::Audio(audio)) => u64::from(audio.samples),
            Some(Body::Gap(gap)) => gap.to - gap.from,
            other => panic!("unexpected {other:?}"),
        }).sum();
        prop_assert_eq!(covered, pushed * 1_600);
        prop_assert_eq!(outbox.audio_bytes(), 0);
    }
}
