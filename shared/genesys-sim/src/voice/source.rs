//! Where a session's samples come from, in the form in which they are sent.

use std::sync::Arc;

use audio_codec_algorithms::encode_ulaw;
use sidetone_model::{Format, Media, MediaChannel, Position};

use super::call::CallVoice;
use super::wav::Recording;

/// The sound of a call; cheap to copy.
#[derive(Debug, Clone)]
pub enum Source {
    /// Synthetic voices.
    Call(Arc<CallVoice>),
    /// A file, over and over.
    File(Arc<Recording>),
}

impl Source {
    /// Appends some samples from a position on as a frame of that media would hold them.
    ///
    /// Linear samples are little-endian.
    pub fn encode(&self, media: Media, from: Position, samples: usize, into: &mut Vec<u8>) {
        if let Self::File(file) = self
            && media == Media::PCMU_STEREO
        {
            return file.stereo(from, samples, into);
        }
        let base = into.len();
        into.resize(base + samples * media.bytes_per_step(), 0);
        let frame = &mut into[base..];
        let step = media.bytes_per_step();
        for (index, channel) in media.channels.iter().enumerate() {
            let places = frame.chunks_exact_mut(step);
            match media.format {
                Format::Pcmu => {
                    let bytes = self.companded(channel, from, samples);
                    places.zip(bytes).for_each(|(place, byte)| place[index] = byte);
                }
                Format::L16 => {
                    let values = self.linear(channel, from, samples);
                    for (place, value) in places.zip(values) {
                        place[2 * index..2 * index + 2].copy_from_slice(&value.to_le_bytes());
                    }
                }
            }
        }
    }

    /// Renders the beginning into memory, for a caller who sends the same to many.
    #[must_use]
    pub fn rendered(&self, length: Position) -> Self {
        let samples = usize::try_from(length.samples()).unwrap_or(usize::MAX);
        let side = |channel| self.companded(channel, Position::ZERO, samples);
        let (external, internal) = (side(MediaChannel::External), side(MediaChannel::Internal));
        Self::File(Arc::new(Recording::from_pcmu(&external, &internal)))
    }

    fn companded(&self, channel: MediaChannel, from: Position, samples: usize) -> Vec<u8> {
        match self {
            Self::Call(_) => {
                self.linear(channel, from, samples).into_iter().map(encode_ulaw).collect()
            }
            Self::File(file) => file.pcmu(channel, from, samples),
        }
    }

    fn linear(&self, channel: MediaChannel, from: Position, samples: usize) -> Vec<i16> {
        match self {
            Self::Call(voice) => {
                let mut values = Vec::with_capacity(samples);
                voice.render(channel, from, samples, &mut values);
                values
            }
            Self::File(file) => file
                .pcmu(channel, from, samples)
                .into_iter()
                .map(audio_codec_algorithms::decode_ulaw)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_model::MediaChannels;

    fn source() -> Source {
        Source::File(Arc::new(Recording::from_pcmu(&[1, 2, 3], &[11, 12, 13])))
    }

    fn encoded(media: Media, from: u64, samples: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        source().encode(media, Position::from_samples(from), samples, &mut bytes);
        bytes
    }

    #[test]
    fn interleaves_in_the_order_of_the_channels() {
        assert_eq!(encoded(Media::PCMU_STEREO, 0, 2), [1, 11, 2, 12]);
        let turned = MediaChannels::new(&[MediaChannel::Internal, MediaChannel::External]).unwrap();
        let media = Media { format: Format::Pcmu, channels: turned };
        assert_eq!(encoded(media, 1, 2), [12, 2, 13, 3]);
        let mono = MediaChannels::new(&[MediaChannel::Internal]).unwrap();
        assert_eq!(encoded(Media { format: Format::Pcmu, channels: mono }, 0, 2), [11, 12]);
    }

    #[test]
    fn a_short_file_begins_again() {
        assert_eq!(encoded(Media::PCMU_STEREO, 2, 2), [3, 13, 1, 11]);
        assert_eq!(encoded(Media::PCMU_STEREO, 8, 5), [3, 13, 1, 11, 2, 12, 3, 13, 1, 11]);
    }

    #[test]
    fn linear_samples_take_two_bytes_each() {
        let media = Media { format: Format::L16, channels: MediaChannels::BOTH };
        let bytes = encoded(media, 0, 1);
        let value = |low, high| i16::from_le_bytes([low, high]);
        assert_eq!(value(bytes[0], bytes[1]), audio_codec_algorithms::decode_ulaw(1));
        assert_eq!(value(bytes[2], bytes[3]), audio_codec_algorithms::decode_ulaw(11));
    }
}
