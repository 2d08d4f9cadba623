//! One call's sound on both channels, by position.
//!
//! Speech is put together from each speaker's phrases, so a call costs a list of a few dozen
//! entries. A faint noise that is a function of the position lies over everything: no two
//! stretches of a call are alike, so a frame in the wrong place always shows.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sidetone_model::{MediaChannel, Position};

use super::music::{music, ringback};
use super::speaker::Speaker;
use super::stretch::Stretch;

/// What the customer hears for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// Nothing.
    Silence,
    /// The ringing tone.
    Ringback,
    /// Music, in a queue or on hold.
    Music,
    /// Somebody, and answers.
    Talk(Speaker),
}

/// Who or what is on the line for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    /// When, in the call's own time.
    pub stretch: Stretch,
    /// What.
    pub sound: Sound,
}

/// The sound of one call; the same for the same arguments.
#[derive(Debug, Clone)]
pub struct CallVoice {
    noise: u64,
    scenes: Box<[Scene]>,
    external: Box<[Piece]>,
    internal: Box<[Piece]>,
}

/// A phrase at its place.
#[derive(Debug, Clone, Copy)]
struct Piece {
    from: u64,
    samples: &'static [i16],
    /// Units: 4,096ths.
    gain: i32,
}

/// A little after the connection, so that the greeting begins in the first frame.
const GREETING_SAMPLES: u64 = 80;

impl CallVoice {
    /// Writes the parts of both sides.
    ///
    /// Scenes are in order and do not overlap; between them the line is silent.
    pub fn new(seed: u64, customer: Speaker, scenes: Vec<Scene>) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x5EED_0000);
        let (mut external, mut internal) = (Vec::new(), Vec::new());
        for scene in &scenes {
            match scene.sound {
                Sound::Talk(agent) => {
                    let mut talk = Talk { random: &mut random, stretch: scene.stretch };
                    talk.write(agent, customer, &mut internal, &mut external);
                }
                Sound::Music => wait(scene.stretch, customer, &mut random, &mut external),
                Sound::Silence | Sound::Ringback => {}
            }
        }
        Self {
            noise: mix(seed),
            scenes: scenes.into(),
            external: external.into(),
            internal: internal.into(),
        }
    }

    /// Appends some samples of one channel from a position on.
    pub fn render(
        &self,
        channel: MediaChannel,
        from: Position,
        samples: usize,
        into: &mut Vec<i16>,
    ) {
        let (pieces, side) = match channel {
            MediaChannel::External => (&self.external, 0),
            MediaChannel::Internal => (&self.internal, 1 << 62),
        };
        let (from, base) = (from.samples(), into.len());
        let to = from.saturating_add(samples as u64);
        into.extend((from..to).map(|sample| hiss(self.noise ^ side, sample)));
        let sound = &mut into[base..];
        // Pieces of one side follow each other, so all that matter lie together.
        let first = pieces.partition_point(|piece| piece.to() <= from);
        for piece in pieces[first..].iter().take_while(|piece| piece.from < to) {
            for sample in piece.from.max(from)..piece.to().min(to) {
                let spoken = i32::from(piece.samples[(sample - piece.from) as usize]);
                add(&mut sound[(sample - from) as usize], spoken * piece.gain / 4_096);
            }
        }
        if channel == MediaChannel::Internal {
            let asked = Stretch::new(Position::from_samples(from), Position::from_samples(to));
            for scene in &self.scenes {
                let tone: fn(u64) -> i16 = match scene.sound {
                    Sound::Music => music,
                    Sound::Ringback => ringback,
                    Sound::Silence | Sound::Talk(_) => continue,
                };
                let Some(part) = scene.stretch.common(asked) else { continue };
                for sample in part.from.samples()..part.to.samples() {
                    let since = sample - scene.stretch.from.samples();
                    add(&mut sound[(sample - from) as usize], i32::from(tone(since)));
                }
            }
        }
    }
}

impl Piece {
    const fn to(&self) -> u64 {
        self.from + self.samples.len() as u64
    }
}

/// Two people who take turns.
struct Talk<'a> {
    random: &'a mut ChaCha8Rng,
    stretch: Stretch,
}

impl Talk<'_> {
    fn write(
        &mut self,
        agent: Speaker,
        customer: Speaker,
        internal: &mut Vec<Piece>,
        external: &mut Vec<Piece>,
    ) {
        let mut at = self.stretch.from.samples() + GREETING_SAMPLES;
        let mut agents_turn = true;
        while at < self.stretch.to.samples() {
            let (speaker, pieces) =
                if agents_turn { (agent, &mut *internal) } else { (customer, &mut *external) };
            for _ in 0..self.random.random_range(1..=2) {
                at = self.phrase(speaker, at, pieces);
                // A breath within a turn.
                at += self.random.random_range(800..2_400);
            }
            // Answers come at once or after some thought.
            at += self.random.random_range(0..4_800);
            agents_turn = !agents_turn;
        }
    }

    /// Says something, cut off where the talk ends, and returns when it was said.
    fn phrase(&mut self, speaker: Speaker, at: u64, pieces: &mut Vec<Piece>) -> u64 {
        let phrases = speaker.phrases();
        let phrase = &phrases[self.random.random_range(0..phrases.len())];
        let gain = self.random.random_range(2_700..4_400);
        let room = self.stretch.to.samples().saturating_sub(at);
        let length = usize::try_from(room).unwrap_or(usize::MAX).min(phrase.len());
        if length > 0 {
            pieces.push(Piece { from: at, samples: &phrase[..length], gain });
        }
        at + length as u64
    }
}

/// Who waits says something now and then.
fn wait(stretch: Stretch, customer: Speaker, random: &mut ChaCha8Rng, external: &mut Vec<Piece>) {
    let mut at = stretch.from.samples() + random.random_range(8_000..24_000);
    while at < stretch.to.samples() {
        let mut alone = Talk { random: &mut *random, stretch };
        at = alone.phrase(customer, at, external);
        at += random.random_range(40_000..80_000);
    }
}

fn add(sample: &mut i16, more: i32) {
    *sample = (i32::from(*sample) + more).clamp(-32_768, 32_767) as i16;
}

/// Line noise of about -65 dB that depends on the position alone.
fn hiss(seed: u64, sample: u64) -> i16 {
    let four = mix(seed.wrapping_add(sample / 4));
    let bits = (four >> (16 * (sample % 4))) as i16;
    bits >> 10
}

/// A bijection of 64 bits without visible pattern (splitmix64).
const fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn millis(from: u64, to: u64) -> Stretch {
        Stretch::new(Position::from_millis(from), Position::from_millis(to))
    }

    fn voice(seed: u64) -> CallVoice {
        let scene = |from, to, sound| Scene { stretch: millis(from, to), sound };
        CallVoice::new(
            seed,
            Speaker::customer(0),
            vec![
                scene(0, 3_000, Sound::Music),
                scene(3_000, 6_000, Sound::Ringback),
                scene(6_000, 20_000, Sound::Talk(Speaker::agent(1))),
                scene(20_000, 24_000, Sound::Music),
                scene(24_000, 30_000, Sound::Talk(Speaker::agent(1))),
            ],
        )
    }

    fn rendered(voice: &CallVoice, channel: MediaChannel, from: u64, to: u64) -> Vec<i16> {
        let mut sound = Vec::new();
        voice.render(channel, Position::from_millis(from), (to - from) as usize * 8, &mut sound);
        sound
    }

    fn loudness(sound: &[i16]) -> f64 {
        let power: f64 = sound.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        (power / sound.len() as f64).sqrt()
    }

    #[test]
    fn sounds_the_same_in_one_piece_and_in_many() {
        let voice = voice(7);
        for channel in [MediaChannel::External, MediaChannel::Internal] {
            let whole = rendered(&voice, channel, 0, 32_000);
            let mut pieces = Vec::new();
            for from in (0..32_000).step_by(50) {
                pieces.extend(rendered(&voice, channel, from, from + 50));
            }
            assert!(whole == pieces);
        }
    }

    #[test]
    fn one_seed_is_one_call_and_another_seed_another() {
        let sound = |seed| rendered(&voice(seed), MediaChannel::Internal, 6_000, 20_000);
        assert!(sound(7) == sound(7));
        assert!(sound(7) != sound(8));
    }

    #[test]
    fn no_two_windows_of_a_call_are_alike_after_encoding() {
        let voice = voice(3);
        let mut seen = BTreeSet::new();
        for channel in [MediaChannel::External, MediaChannel::Internal] {
            let sound = rendered(&voice, channel, 0, 32_000);
            for window in sound.chunks(800) {
                let bytes: Vec<u8> =
                    window.iter().map(|&s| audio_codec_algorithms::encode_ulaw(s)).collect();
                assert!(seen.insert(bytes));
            }
        }
    }

    #[test]
    fn both_talk_in_turns_and_the_greeting_comes_at_once() {
        let voice = voice(5);
        let agent = rendered(&voice, MediaChannel::Internal, 6_000, 20_000);
        let customer = rendered(&voice, MediaChannel::External, 6_000, 20_000);
        let speaking = |sound: &[i16]| {
            sound.chunks(160).filter(|window| loudness(window) > 400.0).count() as f64
                / (sound.len() / 160) as f64
        };
        assert!((0.2..0.8).contains(&speaking(&agent)), "{}", speaking(&agent));
        assert!((0.1..0.8).contains(&speaking(&customer)), "{}", speaking(&customer));
        let together = agent
            .chunks(160)
            .zip(customer.chunks(160))
            .filter(|(one, other)| loudness(one) > 400.0 && loudness(other) > 400.0)
            .count();
        assert!(together < 10, "{together} windows of overtalk");
        assert!(loudness(&agent[..1_600]) > 300.0);
    }

    #[test]
    fn a_waiting_customer_hears_music_and_is_quiet_most_of_the_time() {
        let voice = voice(5);
        assert!(loudness(&rendered(&voice, MediaChannel::Internal, 20_000, 24_000)) > 500.0);
        assert!(loudness(&rendered(&voice, MediaChannel::External, 3_000, 6_000)) < 40.0);
        assert!(loudness(&rendered(&voice, MediaChannel::Internal, 30_500, 32_000)) < 40.0);
    }

    #[test]
    fn the_two_voices_differ_in_pitch() {
        // The strongest period by autocorrelation, formants smoothed away.
        let pitch = |speaker: Speaker| {
            let sound: Vec<f64> =
                speaker.phrases().iter().flatten().map(|&s| f64::from(s)).collect();
            let smooth: Vec<f64> = sound.windows(16).map(|window| window.iter().sum()).collect();
            let score = |lag: usize| -> f64 {
                smooth.windows(lag + 1).map(|window| window[0] * window[lag]).sum()
            };
            (32..100).max_by(|&a, &b| score(a).total_cmp(&score(b))).unwrap()
        };
        let customer = pitch(Speaker::customer(0));
        let agent = pitch(Speaker::agent(0));
        assert!(customer > agent + 10, "periods of {customer} and {agent} samples");
    }
}
