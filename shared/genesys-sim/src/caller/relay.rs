//! A relay between client and server that carries media as text, as a door needs it that
//! cannot take binary messages; it mixes up, doubles and loses what it carries.
//!
//! Source: docs/wire/text-media.md.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::json;
use sidetone_audiohook_proto::MediaTime;
use sidetone_model::Timestamp;

use crate::voice::Stretch;

/// How a relay carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Relay {
    /// Where its randomness comes from.
    pub seed: u64,
    /// How long it holds a message at most; each is held for a time of its own.
    pub delay_max: Duration,
    /// What share of the messages it sends twice.
    pub doubled: f64,
    /// Which frames it loses, by number from 1.
    pub lost: BTreeSet<u64>,
}

impl Relay {
    /// A relay that carries everything once and at once.
    pub const fn faithful() -> Self {
        Self { seed: 0, delay_max: Duration::ZERO, doubled: 0.0, lost: BTreeSet::new() }
    }

    /// A relay that mixes up what comes within 400 ms, and doubles every fifth message.
    pub const fn careless(seed: u64) -> Self {
        Self { seed, delay_max: Duration::from_millis(400), doubled: 0.2, lost: BTreeSet::new() }
    }
}

/// What of a client's text a media message repeats.
#[derive(Debug, Clone, Default, Deserialize)]
struct Heading {
    id: String,
    seq: u64,
    serverseq: u64,
}

/// What is on its way over a relay, on one connection.
#[derive(Debug)]
pub(super) struct Crossing {
    relay: Relay,
    random: ChaCha8Rng,
    latest: Heading,
    frames: u64,
    carried: u64,
    waiting: BTreeMap<(Timestamp, u64), String>,
    lost: Vec<Stretch>,
}

impl Crossing {
    pub(super) fn new(relay: Relay) -> Self {
        let random = ChaCha8Rng::seed_from_u64(relay.seed);
        Self {
            relay,
            random,
            latest: Heading::default(),
            frames: 0,
            carried: 0,
            waiting: BTreeMap::new(),
            lost: Vec::new(),
        }
    }

    /// Takes a text message of the client.
    pub(super) fn text(&mut self, now: Timestamp, text: String) {
        if let Ok(heading) = serde_json::from_str(&text) {
            self.latest = heading;
        }
        self.carry(now, text);
    }

    /// Takes a frame of the client.
    pub(super) fn frame(&mut self, now: Timestamp, place: Stretch, frame: &Bytes) {
        self.frames += 1;
        let Heading { id, seq, serverseq } = &self.latest;
        let message = json!({
            "version": "2",
            "id": id,
            "type": "media",
            "seq": seq,
            "serverseq": serverseq,
            "position": MediaTime::from(place.from).to_string(),
            "parameters": { "frame": self.frames, "data": STANDARD.encode(frame) },
        });
        if self.relay.lost.contains(&self.frames) {
            self.lost.push(place);
        } else {
            self.carry(now, message.to_string());
        }
    }

    /// Returns which media was lost so far.
    pub(super) fn lost(&self) -> &[Stretch] {
        &self.lost
    }

    /// Returns when the next message arrives.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Returns a message that has arrived.
    pub(super) fn arrived(&mut self, now: Timestamp) -> Option<String> {
        let first = self.waiting.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    fn carry(&mut self, now: Timestamp, message: String) {
        let times = if self.random.random_bool(self.relay.doubled) { 2 } else { 1 };
        for _ in 0..times {
            let delay = self.relay.delay_max.mul_f64(self.random.random());
            self.carried += 1;
            self.waiting.insert((now + delay, self.carried), message.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use sidetone_model::Position;

    use super::*;

    fn carried(relay: Relay) -> Vec<serde_json::Value> {
        let mut crossing = Crossing::new(relay);
        let start = Timestamp::from_millis(1_000);
        crossing.text(start, r#"{"id":"s","seq":3,"serverseq":2,"type":"ping"}"#.to_owned());
        for frame in 0..50 {
            let place = |frame| Position::from_millis(frame * 200);
            let place = Stretch::new(place(frame), place(frame + 1));
            crossing.frame(start + Duration::from_millis(frame * 200), place, &Bytes::from("abc"));
        }
        let end = start + Duration::from_secs(60);
        let arrived = std::iter::from_fn(|| crossing.arrived(end));
        arrived.map(|text| serde_json::from_str(&text).unwrap()).collect()
    }

    fn numbers(messages: &[serde_json::Value]) -> Vec<u64> {
        messages.iter().filter_map(|one| one["parameters"]["frame"].as_u64()).collect()
    }

    #[test]
    fn a_faithful_relay_carries_media_as_text_in_order() {
        let messages = carried(Relay::faithful());
        assert_eq!(numbers(&messages), (1..=50).collect::<Vec<_>>());
        assert_eq!(
            (messages[2]["seq"].as_u64(), messages[2]["serverseq"].as_u64()),
            (Some(3), Some(2))
        );
        assert_eq!(messages[2]["position"], "PT0.2S");
        assert_eq!(messages[2]["parameters"]["data"], "YWJj");
    }

    #[test]
    fn a_careless_relay_mixes_up_and_doubles_but_loses_only_what_it_is_told() {
        let mut relay = Relay::careless(7);
        relay.lost.insert(20);
        let all = numbers(&carried(relay.clone()));
        assert!(all.len() > 52 && !all.is_sorted() && !all.contains(&20), "{all:?}");
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 49);
        assert_eq!(all, numbers(&carried(relay)), "the same seed does the same");
    }
}
