//! What every client of these tests says: bytes that tell where in the media they belong.
//!
//! The client of foreign make says the same, by its own code.

use std::sync::Arc;

use audio_codec_algorithms::decode_ulaw;
use sidetone_genesys_sim::{Recording, Source};

/// How long a simulated caller's sound is before it begins again.
const SECONDS_MAX: u64 = 60;

/// Returns the two µ-law bytes of one moment: what the customer says, what the customer hears.
pub(crate) const fn sound(position: u64) -> [u8; 2] {
    [((position / 1_600) % 250) as u8, (position % 251) as u8]
}

/// Returns a frame of stereo.
pub(crate) fn frame(position: u64, samples: u64) -> Vec<u8> {
    (position..position + samples).flat_map(sound).collect()
}

/// Decodes µ-law as a recording holds it.
pub(crate) fn pcm_of(bytes: &[u8]) -> Vec<i16> {
    bytes.iter().map(|byte| decode_ulaw(*byte)).collect()
}

/// Returns the same sound for a simulated caller.
pub(super) fn source() -> Source {
    let side = |channel: usize| -> Vec<u8> {
        (0..SECONDS_MAX * 8_000).map(|position| sound(position)[channel]).collect()
    };
    Source::File(Arc::new(Recording::from_pcmu(&side(0), &side(1))))
}
