//! Compares delivered and recorded sound with the script's, sample by sample.

use sidetone_genesys_sim::{SessionTruth, Stretch};
use sidetone_model::{Format, Media, MediaChannel, Position, SAMPLE_RATE};

use super::heard::{Heard, HeardFrame};
use super::problems::{Cause, Problem};
use super::recording::{SessionRecording, Wave};
use super::stretches::{joined, place_of_first, samples, without};

/// Samples compared at a time.
const BLOCK_SAMPLES: u64 = 8_000;

/// Checks every frame of the stream, whether or not its user may use it; nothing if all is right.
pub(super) fn compare_frames(
    heard: &Heard,
    truth: &SessionTruth,
    media: Media,
    sent: &[Stretch],
) -> Option<Problem> {
    let frames = heard.frames();
    let all = joined(frames.iter().map(|frame| frame.stretch));
    let unsent = without(&all, sent);
    if !unsent.is_empty() {
        let place = place_of_first(&unsent);
        return Some(Problem::fault(format!(
            "audio was delivered that Genesys never sent, {place}"
        )));
    }
    let total: u64 = frames.iter().map(|frame| frame.stretch.samples()).sum();
    if total != samples(&all) {
        return Some(Problem::fault("some audio was delivered twice under different numbers"));
    }
    if heard.view().media().is_some_and(|told| told != media) {
        return Some(Problem::fault("the stream names other media than Genesys was told"));
    }
    let differs = |frame: &&HeardFrame| truth.pcm(frame.stretch, media) != frame.data[..];
    let wrong = frames.iter().find(differs)?;
    let place = place_of_first(&[wrong.stretch]);
    Some(Problem::fault(format!("the audio {place} is not what was said there")))
}

/// What a recording must hold.
pub(super) struct Expectation<'a> {
    pub(super) truth: &'a SessionTruth,
    pub(super) media: Media,
    /// Where the library's user has sound.
    pub(super) kept: Vec<Stretch>,
    /// Where the script's sound must be: it was owed, and delivered.
    pub(super) owed: Vec<Stretch>,
    /// Where it may be: delivered, and near an edge.
    pub(super) tolerated: Vec<Stretch>,
}

/// Checks a recording; nothing if all is right.
pub(super) fn compare_recording(
    recording: &SessionRecording,
    expected: &Expectation<'_>,
) -> Option<Problem> {
    let sidecar = &recording.sidecar;
    let (first, last) = (expected.kept.first(), expected.kept.last());
    let (Some(first), Some(last)) = (first, last) else {
        let silent = |wave: &Wave| wave.samples.iter().all(|sample| *sample == 0);
        let nothing = recording.wave.as_ref().is_none_or(silent);
        return (!nothing).then(|| Problem::fault("a recording was made of what is nobody's"));
    };
    let Some(wave) = &recording.wave else {
        return Some(Problem::fault("there is no recording"));
    };
    if (wave.rate, wave.channels) != (SAMPLE_RATE, 2) {
        return Some(Problem::fault(format!(
            "the recording has {} channels at {} Hz instead of 2 at {SAMPLE_RATE}",
            wave.channels, wave.rate
        )));
    }
    let whole = (first.from.samples(), last.to.samples());
    let named = (sidecar.start_position, sidecar.end_position);
    if named != (Some(whole.0), Some(whole.1)) || wave.length() != whole.1 - whole.0 {
        return Some(Problem::fault(format!(
            "the recording is {} samples long and said to reach from {named:?}; delivered was \
             from {} to {}",
            wave.length(),
            whole.0,
            whole.1
        )));
    }
    compare_samples(wave, first.from, last.to, expected)
}

fn compare_samples(
    wave: &Wave,
    start: Position,
    end: Position,
    expected: &Expectation<'_>,
) -> Option<Problem> {
    let mut from = start;
    while from < end {
        let block = Stretch::new(from, from.plus_samples(BLOCK_SAMPLES).min(end));
        let said = decoded(&expected.truth.pcm(block, expected.media), expected.media);
        let offset = from.samples_since(start) as usize * 2;
        let recorded = wave.samples[offset..].chunks_exact(2);
        let allowed = allowed(block, expected);
        for (index, ((found, said), allowed)) in recorded.zip(said).zip(allowed).enumerate() {
            let found = (found[0], found[1]);
            let fits = match allowed {
                Allowed::Said => found == said,
                Allowed::Silence => found == (0, 0),
                Allowed::Both => found == said || found == (0, 0),
            };
            if !fits {
                let at = from.plus_samples(index as u64);
                let what = if allowed == Allowed::Silence { "not silent" } else { "wrong" };
                let sides = if found == (said.1, said.0) { ", its sides exchanged" } else { "" };
                // Where it is what was said there, only the agent's time is wrong.
                let misplaced = allowed == Allowed::Silence && found == said;
                let cause = Cause::slowness_if(misplaced, Cause::Fault);
                let sentence = format!("the recording is {what} at {} ms{sides}", at.as_millis());
                return Some(Problem { sentence, cause });
            }
        }
        from = block.to;
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Silence,
    Said,
    Both,
}

/// Says for each sample of a block what may be recorded there.
fn allowed(block: Stretch, expected: &Expectation<'_>) -> Vec<Allowed> {
    let mut allowed = vec![Allowed::Silence; usize::try_from(block.samples()).unwrap_or(0)];
    for (list, what) in [(&expected.tolerated, Allowed::Both), (&expected.owed, Allowed::Said)] {
        for stretch in list.iter().filter_map(|one| one.common(block)) {
            let from = stretch.from.samples_since(block.from) as usize;
            let to = stretch.to.samples_since(block.from) as usize;
            allowed[from..to].fill(what);
        }
    }
    allowed
}

/// Decodes what a client sends to what a recording has: external left, internal right.
fn decoded(bytes: &[u8], media: Media) -> Vec<(i16, i16)> {
    let left = media.channels.index_of(MediaChannel::External);
    let right = media.channels.index_of(MediaChannel::Internal);
    let sample = |step: &[u8], channel: Option<usize>| {
        channel.map_or(0, |index| match media.format {
            Format::Pcmu => linear_of_mu_law(step[index]),
            Format::L16 => i16::from_le_bytes([step[2 * index], step[2 * index + 1]]),
        })
    };
    let steps = bytes.chunks_exact(media.bytes_per_step());
    steps.map(|step| (sample(step, left), sample(step, right))).collect()
}

/// Decodes a sample as ITU-T G.711 says, on its own so that one mistake cannot hide another.
fn linear_of_mu_law(byte: u8) -> i16 {
    const BIAS: i16 = 0x84;
    let bits = !byte;
    let mantissa = (i16::from(bits & 0x0F) << 3) + BIAS;
    let magnitude = (mantissa << ((bits & 0x70) >> 4)) - BIAS;
    if bits & 0x80 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_corners_of_g711() {
        // Silence in both spellings, the loudest of both signs, the quietest.
        for (byte, sample) in [
            (0xFF, 0),
            (0x7F, 0),
            (0x80, 32_124),
            (0x00, -32_124),
            (0xFE, 8),
            (0x7E, -8),
            (0x8F, 16_764),
        ] {
            assert_eq!(linear_of_mu_law(byte), sample, "{byte:#x}");
        }
    }
}
