//! Speech-like sound: glottal pulses and noise through moving formants, syllable by syllable.
//!
//! No words: consonants and vowels in random order, with the rhythm, the pitch contour and the
//! spectrum of speech on a telephone, so that a voice-activity detector takes it for a voice.
//! Source: the source-filter model of speech; vowel formants after Peterson and Barney, 1952.

use std::f32::consts::TAU;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::speaker::Timbre;

/// Some syllables in one breath, 16-bit samples at 8 kHz.
pub(super) type Phrase = Box<[i16]>;

const RATE: f32 = 8_000.0;
/// Enough that a call does not repeat itself at once, few enough to be made in a moment.
const PHRASES: usize = 8;
/// Between two settings of the filters: 4 ms.
const BLOCK_SAMPLES: usize = 32;
/// The loudest sample: about -10 dB of full scale, as a telephone line is levelled.
const PEAK: f32 = 10_500.0;

/// The first three formants of an average man's vowels, in hertz.
const VOWELS: [[f32; 3]; 7] = [
    [730.0, 1_090.0, 2_440.0],
    [530.0, 1_840.0, 2_480.0],
    [270.0, 2_290.0, 3_010.0],
    [570.0, 840.0, 2_410.0],
    [300.0, 870.0, 2_240.0],
    [640.0, 1_190.0, 2_390.0],
    [490.0, 1_350.0, 1_690.0],
];
const BANDWIDTHS: [f32; 3] = [80.0, 110.0, 160.0];

/// How a syllable begins.
#[derive(Debug, Clone, Copy)]
enum Onset {
    /// As in "s": noise.
    Fricative,
    /// As in "t": silence, then a burst.
    Plosive,
    /// As in "m": quiet voice.
    Nasal,
    /// Straight with the vowel.
    None,
}

const ONSETS: [Onset; 6] =
    [Onset::Fricative, Onset::Plosive, Onset::Plosive, Onset::Nasal, Onset::Nasal, Onset::None];

/// Makes everything one speaker can say.
pub(super) fn repertoire(timbre: &Timbre) -> Vec<Phrase> {
    let mut random = ChaCha8Rng::seed_from_u64(timbre.seed);
    (0..PHRASES).map(|_| speak(timbre, &mut random)).collect()
}

fn speak(timbre: &Timbre, random: &mut ChaCha8Rng) -> Phrase {
    let syllables = random.random_range(4..=9);
    let mut mouth = Mouth::new(timbre);
    let mut sound = Vec::new();
    for syllable in 0..syllables {
        // The pitch falls over a phrase, with an accent here and there.
        let fall = 1.12 - 0.26 * syllable as f32 / syllables as f32;
        let accent = if random.random_bool(0.3) { 1.14 } else { 1.0 };
        mouth.pitch_goal = timbre.pitch * fall * accent;
        let length = RATE / timbre.syllable_rate * random.random_range(0.75..1.3);
        mouth.onset(ONSETS[random.random_range(0..ONSETS.len())], random, &mut sound);
        let vowel = VOWELS[random.random_range(0..VOWELS.len())];
        mouth.vowel(vowel, (length * 0.62) as usize, random, &mut sound);
    }
    level(&mut sound)
}

/// Limits to the band of a telephone, sets the loudness, rounds the ends.
fn level(sound: &mut [f32]) -> Phrase {
    let (mut low, mut held) = (0.0, 0.0);
    for sample in sound.iter_mut() {
        // One pole at about 250 Hz below, one at about 3.2 kHz above.
        low += 0.18 * (*sample - low);
        held += 0.85 * (*sample - low - held);
        *sample = held;
    }
    let peak = sound.iter().fold(1e-6_f32, |peak, sample| peak.max(sample.abs()));
    let edge = (RATE * 0.01) as usize;
    let length = sound.len();
    sound
        .iter()
        .enumerate()
        .map(|(index, sample)| {
            let fade = index.min(length - 1 - index).min(edge) as f32 / edge as f32;
            (sample / peak * PEAK * fade) as i16
        })
        .collect()
}

/// The state of one speaker's throat between two samples.
struct Mouth<'a> {
    timbre: &'a Timbre,
    formants: [Resonator; 3],
    frication: Resonator,
    centres: [f32; 3],
    pitch: f32,
    pitch_goal: f32,
    /// Where in the glottal period, from 0 to 1.
    phase: f32,
}

impl<'a> Mouth<'a> {
    fn new(timbre: &'a Timbre) -> Self {
        Self {
            timbre,
            formants: [Resonator::default(); 3],
            frication: Resonator::default(),
            centres: VOWELS[6],
            pitch: timbre.pitch,
            pitch_goal: timbre.pitch,
            phase: 0.0,
        }
    }

    fn onset(&mut self, onset: Onset, random: &mut ChaCha8Rng, sound: &mut Vec<f32>) {
        match onset {
            Onset::Fricative => {
                let length = random.random_range(480..960);
                self.noise(length, 2_300.0..3_300.0, 0.35, random, sound);
            }
            Onset::Plosive => {
                let closure = random.random_range(240..480);
                sound.extend(std::iter::repeat_n(0.0, closure));
                self.noise(120, 1_200.0..2_800.0, 0.6, random, sound);
            }
            Onset::Nasal => {
                let length = random.random_range(400..640);
                self.voiced([280.0, 1_100.0, 2_300.0], length, 0.35, random, sound);
            }
            Onset::None => {}
        }
    }

    fn vowel(
        &mut self,
        goal: [f32; 3],
        length: usize,
        random: &mut ChaCha8Rng,
        sound: &mut Vec<f32>,
    ) {
        self.voiced(goal, length.max(BLOCK_SAMPLES * 8), 1.0, random, sound);
    }

    fn voiced(
        &mut self,
        goal: [f32; 3],
        length: usize,
        strength: f32,
        random: &mut ChaCha8Rng,
        sound: &mut Vec<f32>,
    ) {
        for index in 0..length {
            if index % BLOCK_SAMPLES == 0 {
                self.glide(goal, random);
            }
            let through = index as f32 / length as f32;
            // Rises in a tenth of the syllable, falls over its last third.
            let envelope = strength * (through * 10.0).min(1.0) * ((1.0 - through) * 3.0).min(1.0);
            let pulse = self.glottis();
            let breath = self.timbre.breath * random.random_range(-1.0..1.0_f32);
            let mut sample = pulse + breath;
            for formant in &mut self.formants {
                sample = formant.pass(sample);
            }
            sound.push(sample * envelope);
        }
    }

    fn noise(
        &mut self,
        length: usize,
        band: std::ops::Range<f32>,
        strength: f32,
        random: &mut ChaCha8Rng,
        sound: &mut Vec<f32>,
    ) {
        self.frication.tune(random.random_range(band), 700.0);
        for index in 0..length {
            let through = index as f32 / length as f32;
            let envelope = (TAU * 0.5 * through).sin();
            let sample = self.frication.pass(random.random_range(-1.0..1.0));
            sound.push(sample * envelope * strength);
        }
    }

    /// Moves pitch and formants a little towards where they should be.
    fn glide(&mut self, goal: [f32; 3], random: &mut ChaCha8Rng) {
        let jitter = random.random_range(0.99..1.01);
        self.pitch += 0.12 * (self.pitch_goal * jitter - self.pitch);
        for ((formant, centre), (goal, width)) in
            self.formants.iter_mut().zip(&mut self.centres).zip(goal.iter().zip(BANDWIDTHS))
        {
            *centre += 0.22 * (goal * self.timbre.throat - *centre);
            // The highest formants of short throats lie above what 8 kHz can carry.
            formant.tune(centre.min(3_500.0), width);
        }
    }

    /// The next sample of the flow through the vocal folds, differentiated (Rosenberg).
    fn glottis(&mut self) -> f32 {
        const OPEN: f32 = 0.6;
        self.phase += self.pitch / RATE;
        if self.phase >= 1.0 {
            self.phase -= 1.0;
        }
        let open = self.phase / OPEN;
        if open < 1.0 { 2.0 * open - 3.0 * open * open } else { 0.0 }
    }
}

/// Two poles that ring at one frequency.
#[derive(Debug, Clone, Copy, Default)]
struct Resonator {
    gain: f32,
    one: f32,
    two: f32,
    last: f32,
    before: f32,
}

impl Resonator {
    fn tune(&mut self, centre: f32, bandwidth: f32) {
        let radius = (-0.5 * TAU * bandwidth / RATE).exp();
        self.one = 2.0 * radius * (TAU * centre / RATE).cos();
        self.two = -radius * radius;
        // Unity for a constant input, as in a chain of formants.
        self.gain = 1.0 - self.one - self.two;
    }

    fn pass(&mut self, input: f32) -> f32 {
        let output = self.gain * input + self.one * self.last + self.two * self.before;
        self.before = self.last;
        self.last = output;
        output
    }
}
