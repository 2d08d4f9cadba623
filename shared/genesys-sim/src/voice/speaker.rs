//! Who speaks: the few numbers that make one synthetic voice unlike another.

use std::sync::LazyLock;

use super::phrase::{self, Phrase};

/// A synthetic voice.
///
/// There are three customers and three agents. Each has its own pitch, size of throat and
/// rhythm, so that they can be told apart by ear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Speaker(usize);

/// What makes a voice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timbre {
    /// Mean pitch.
    ///
    /// Units: hertz.
    pub(super) pitch: f32,
    /// Formants relative to an average man's: a shorter throat has higher ones.
    pub(super) throat: f32,
    /// Syllables a second.
    pub(super) syllable_rate: f32,
    /// How much of the voice is breath, from 0 to 1.
    pub(super) breath: f32,
    /// Where this speaker's randomness begins.
    pub(super) seed: u64,
}

const VOICES: usize = 3;

const TIMBRES: [Timbre; 2 * VOICES] = [
    Timbre { pitch: 112.0, throat: 0.98, syllable_rate: 4.2, breath: 0.03, seed: 0xC0 },
    Timbre { pitch: 205.0, throat: 1.17, syllable_rate: 4.7, breath: 0.06, seed: 0xC1 },
    Timbre { pitch: 138.0, throat: 1.03, syllable_rate: 5.3, breath: 0.04, seed: 0xC2 },
    Timbre { pitch: 186.0, throat: 1.14, syllable_rate: 5.1, breath: 0.04, seed: 0xA0 },
    Timbre { pitch: 98.0, throat: 0.94, syllable_rate: 4.5, breath: 0.02, seed: 0xA1 },
    Timbre { pitch: 225.0, throat: 1.20, syllable_rate: 5.6, breath: 0.05, seed: 0xA2 },
];

impl Speaker {
    /// Returns a customer's voice; the same one for the same number.
    pub const fn customer(number: usize) -> Self {
        Self(number % VOICES)
    }

    /// Returns an agent's voice; the same one for the same number.
    pub const fn agent(number: usize) -> Self {
        Self(VOICES + number % VOICES)
    }

    /// Returns everything this speaker can say, made once in a process.
    pub(super) fn phrases(self) -> &'static [Phrase] {
        static SPOKEN: [LazyLock<Vec<Phrase>>; 2 * VOICES] = [
            LazyLock::new(|| phrase::repertoire(&TIMBRES[0])),
            LazyLock::new(|| phrase::repertoire(&TIMBRES[1])),
            LazyLock::new(|| phrase::repertoire(&TIMBRES[2])),
            LazyLock::new(|| phrase::repertoire(&TIMBRES[3])),
            LazyLock::new(|| phrase::repertoire(&TIMBRES[4])),
            LazyLock::new(|| phrase::repertoire(&TIMBRES[5])),
        ];
        &SPOKEN[self.0]
    }
}
