//! A WAV file as the sound of a call.
//!
//! Takes 8 kHz, one or two channels, PCM of 16 bits or µ-law; everything else is refused with
//! what was found and what is needed. µ-law is kept byte for byte.

use std::path::{Path, PathBuf};

use audio_codec_algorithms::encode_ulaw;
use sidetone_model::{MediaChannel, Position, SAMPLE_RATE};

/// The largest file that is read: over two hours of stereo PCM, all of which stays in memory.
pub const WAV_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// µ-law's zero.
const SILENCE: u8 = 0xFF;

/// A file's sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// µ-law: external, internal, external…, as most sessions send it.
    interleaved: Box<[u8]>,
}

/// Why a file cannot be the sound of a call.
#[derive(Debug, thiserror::Error)]
#[error("reading {}", path.display())]
pub struct WavError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub wrong: WavFault,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum WavFault {
    /// It cannot be read.
    #[error("cannot be read")]
    Read(#[from] std::io::Error),
    /// It is larger than [`WAV_BYTES_MAX`].
    #[error("{got} bytes, at most {WAV_BYTES_MAX} are read")]
    TooLarge {
        /// How large it is.
        got: u64,
    },
    /// It is no WAV, or a broken one.
    #[error("not a WAV file, or a broken one: {missing} is missing")]
    NotWav {
        /// What a WAV file has and this has not.
        missing: &'static str,
    },
    /// The samples are neither PCM of 16 bits nor µ-law.
    #[error("format {tag} of {bits} bits, expected 1 (PCM) of 16 bits or 7 (µ-law) of 8")]
    Format {
        /// The number of the format.
        tag: u16,
        /// The size of one sample.
        bits: u16,
    },
    /// The rate is not that of a telephone.
    #[error("{got} samples a second, expected {SAMPLE_RATE}")]
    Rate {
        /// What it has.
        got: u32,
    },
    /// There are more than two channels, or none.
    #[error("{got} channels, expected one or two")]
    Channels {
        /// How many it has.
        got: u16,
    },
    /// There is no sample in it.
    #[error("no samples")]
    Empty,
}

/// The `fmt ` chunk, as far as it matters.
#[derive(Debug, Clone, Copy)]
struct Form {
    tag: u16,
    channels: u16,
    rate: u32,
    bits: u16,
}

impl Recording {
    /// Reads a file: the first channel is the customer, the second the agent, who is silent in
    /// a file of one channel.
    ///
    /// Errors: [`WavError`] for whatever is not 8 kHz, one or two channels, PCM16 or µ-law.
    pub fn open(path: &Path) -> Result<Self, WavError> {
        let read = || {
            let got = std::fs::metadata(path)?.len();
            if got > WAV_BYTES_MAX {
                return Err(WavFault::TooLarge { got });
            }
            Self::parse(&std::fs::read(path)?)
        };
        read().map_err(|wrong| WavError { path: path.to_owned(), wrong })
    }

    fn parse(file: &[u8]) -> Result<Self, WavFault> {
        let (form, sound) = chunks(file)?;
        match (form.tag, form.bits) {
            (1, 16) | (7, 8) => {}
            (tag, bits) => return Err(WavFault::Format { tag, bits }),
        }
        if form.rate != SAMPLE_RATE {
            return Err(WavFault::Rate { got: form.rate });
        }
        if !(1..=2).contains(&form.channels) {
            return Err(WavFault::Channels { got: form.channels });
        }
        let samples = match form.tag {
            1 => {
                let pairs = sound.as_chunks().0.iter();
                pairs.map(|pair| encode_ulaw(i16::from_le_bytes(*pair))).collect()
            }
            _ => sound.to_vec(),
        };
        let channels = usize::from(form.channels);
        if samples.len() < channels {
            return Err(WavFault::Empty);
        }
        Ok(Self::from_interleaved(&samples, channels))
    }

    /// Joins µ-law samples of both sides; the shorter side is silent at its end.
    pub fn from_pcmu(external: &[u8], internal: &[u8]) -> Self {
        let sample = |side: &[u8], place: usize| side.get(place).copied().unwrap_or(SILENCE);
        let places = 0..external.len().max(internal.len());
        let steps = places.flat_map(|place| [sample(external, place), sample(internal, place)]);
        Self { interleaved: steps.collect() }
    }

    /// Returns how long it is.
    pub fn length(&self) -> Position {
        Position::from_samples(self.interleaved.len() as u64 / 2)
    }

    fn from_interleaved(samples: &[u8], channels: usize) -> Self {
        if channels == 2 {
            return Self { interleaved: samples.as_chunks::<2>().0.as_flattened().into() };
        }
        Self::from_pcmu(samples, &[])
    }

    /// Appends some samples of both channels; after its end a recording begins again.
    pub(super) fn stereo(&self, from: Position, samples: usize, into: &mut Vec<u8>) {
        let length = self.length().samples();
        if length == 0 {
            into.resize(into.len() + 2 * samples, SILENCE);
            return;
        }
        let mut place = 2 * (from.samples() % length) as usize;
        let mut missing = 2 * samples;
        while missing > 0 {
            let piece = &self.interleaved[place..];
            let piece = &piece[..piece.len().min(missing)];
            into.extend_from_slice(piece);
            missing -= piece.len();
            place = 0;
        }
    }

    /// Returns some samples of one channel.
    pub(super) fn pcmu(&self, channel: MediaChannel, from: Position, samples: usize) -> Vec<u8> {
        let side = match channel {
            MediaChannel::External => 0,
            MediaChannel::Internal => 1,
        };
        let mut both = Vec::with_capacity(2 * samples);
        self.stereo(from, samples, &mut both);
        both.as_chunks::<2>().0.iter().map(|step| step[side]).collect()
    }
}

/// Finds format and samples; other chunks are passed over.
fn chunks(file: &[u8]) -> Result<(Form, &[u8]), WavFault> {
    let missing = |missing| WavFault::NotWav { missing };
    let Some((b"RIFF", file)) = file.split_first_chunk::<4>() else {
        return Err(missing("the RIFF mark"));
    };
    let Some(mut rest) = file.get(4..).and_then(|file| file.strip_prefix(b"WAVE")) else {
        return Err(missing("the WAVE mark"));
    };
    let mut form = None;
    while let Some((name, after)) = rest.split_first_chunk::<4>() {
        let Some((length, body)) = after.split_first_chunk::<4>() else { break };
        // Writers into a pipe leave the length at its maximum: then it is all that follows.
        let length = (u32::from_le_bytes(*length) as usize).min(body.len());
        let (chunk, following) = body.split_at(length);
        match name {
            b"fmt " => form = Some(read_form(chunk).ok_or(missing("the format"))?),
            b"data" => return Ok((form.ok_or(missing("the format"))?, chunk)),
            _ => {}
        }
        // Chunks begin at even places.
        rest = following.get(length % 2..).unwrap_or_default();
    }
    Err(missing("the data"))
}

fn read_form(chunk: &[u8]) -> Option<Form> {
    const EXTENSIBLE: u16 = 0xFFFE;
    let short = |at: usize| chunk.get(at..)?.first_chunk().map(|pair| u16::from_le_bytes(*pair));
    let rate = u32::from_le_bytes(*chunk.get(4..)?.first_chunk()?);
    // The long form names the true format at the head of a GUID.
    let tag = match short(0)? {
        EXTENSIBLE => short(24)?,
        tag => tag,
    };
    Some(Form { tag, channels: short(2)?, rate, bits: short(14)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn wav(tag: u16, channels: u16, rate: u32, bits: u16, samples: &[u8]) -> Vec<u8> {
        let align = channels * bits / 8;
        let mut file = b"RIFF".to_vec();
        file.extend((36 + samples.len() as u32).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0");
        file.extend(tag.to_le_bytes());
        file.extend(channels.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend((rate * u32::from(align)).to_le_bytes());
        file.extend(align.to_le_bytes());
        file.extend(bits.to_le_bytes());
        file.extend(b"data");
        file.extend((samples.len() as u32).to_le_bytes());
        file.extend(samples);
        file
    }

    fn opened(bytes: &[u8]) -> Result<Recording, WavError> {
        let (_folder, path) = written("call.wav", bytes);
        Recording::open(&path)
    }

    #[test]
    fn keeps_mulaw_byte_for_byte() {
        let recording = opened(&wav(7, 2, 8_000, 8, &[0x7F, 0xFF, 1, 2])).unwrap();
        assert_eq!(recording, Recording::from_pcmu(&[0x7F, 1], &[0xFF, 2]));
        assert_eq!(recording.length(), Position::from_samples(2));
    }

    #[test]
    fn reads_what_another_writer_wrote_as_pcm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mono.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for sample in [0_i16, 1_000, -1_000] {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        let recording = Recording::open(&path).unwrap();
        let side = |channel| recording.pcmu(channel, Position::ZERO, 3);
        assert_eq!(side(MediaChannel::External), [0_i16, 1_000, -1_000].map(encode_ulaw));
        assert_eq!(side(MediaChannel::Internal), [0xFF; 3]);
    }

    #[test]
    fn says_what_is_wrong_with_a_file() {
        for (bytes, expected) in [
            (wav(1, 2, 16_000, 16, &[0; 8]), "16000 samples a second, expected 8000"),
            (wav(1, 3, 8_000, 16, &[0; 12]), "3 channels, expected one or two"),
            (wav(1, 1, 8_000, 24, &[0; 6]), "format 1 of 24 bits, expected"),
            (wav(6, 1, 8_000, 8, &[0; 6]), "format 6 of 8 bits, expected"),
            (wav(1, 1, 8_000, 16, &[]), "no samples"),
            (b"RIFF\x04\0\0\0JUNK".to_vec(), "the WAVE mark is missing"),
            (b"RIFF\x04\0\0\0WAVE".to_vec(), "the data is missing"),
            (b"RIFF\x04\0\0\0WAVEfmt \x02\0\0\0\x01\0".to_vec(), "the format is missing"),
            (b"no".to_vec(), "the RIFF mark is missing"),
        ] {
            let error = opened(&bytes).unwrap_err();
            assert!(error.to_string().ends_with("call.wav"), "{error}");
            let text = error.wrong.to_string();
            assert!(text.contains(expected), "{text} instead of {expected}");
        }
        let missing = Recording::open(Path::new("/nowhere/call.wav")).unwrap_err();
        assert_eq!(missing.to_string(), "reading /nowhere/call.wav");
        assert!(matches!(missing.wrong, WavFault::Read(_)));
    }

    #[test]
    fn a_truncated_file_never_panics() {
        let file = wav(7, 2, 8_000, 8, &[1, 2, 3, 4]);
        for length in 0..file.len() {
            let _ = Recording::parse(&file[..length]);
        }
    }

    #[test]
    fn reads_the_long_form_and_an_unknown_length() {
        let mut form = Vec::new();
        form.extend(0xFFFE_u16.to_le_bytes());
        form.extend(2_u16.to_le_bytes());
        form.extend(8_000_u32.to_le_bytes());
        form.extend(16_000_u32.to_le_bytes());
        form.extend([2, 0, 8, 0, 22, 0, 8, 0, 3, 0, 0, 0, 7, 0]);
        form.extend([0; 14]);
        let mut file = b"RIFF\xFF\xFF\xFF\xFFWAVEodd \x01\0\0\0x\0fmt ".to_vec();
        file.extend((form.len() as u32).to_le_bytes());
        file.extend(form);
        file.extend(b"data\xFF\xFF\xFF\xFF");
        file.extend([1, 2, 3, 4]);
        let expected = Recording::from_pcmu(&[1, 3], &[2, 4]);
        assert_eq!(Recording::parse(&file).unwrap(), expected);
    }
}
