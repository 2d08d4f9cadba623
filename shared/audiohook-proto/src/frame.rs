//! AudioHook binary messages: bytes in, whole samples per media channel out.
//!
//! Refuses: resampling, buffering, clocks. Bytes are shared, never copied.
//! Source: docs/wire/audiohook.md, "Media".

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use sidetone_model::{Format, Media, MediaChannel};

/// One binary message, checked to hold whole samples for all channels; may be empty.
///
/// **Shape** the channels' samples alternate in the order of [`Media::channels`].
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    media: Media,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The last sample is incomplete, or missing for a channel.
    #[error("expected a multiple of {step} bytes, got {got}")]
    Ragged {
        /// Bytes of one sample over all channels.
        step: usize,
        /// Bytes there were.
        got: usize,
    },
}

/// The byte order of L16, which no source states.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum ByteOrder {
    /// As the vendor's reference decodes it.
    #[default]
    LittleEndian,
    /// As RFC 3551 has it.
    BigEndian,
}

impl Frame {
    /// Checks bytes against the media of the session.
    ///
    /// Errors: [`FrameError::Ragged`] if the bytes do not divide by the channels.
    pub fn new(bytes: Bytes, media: Media) -> Result<Self, FrameError> {
        let step = media.bytes_per_step();
        if bytes.len().is_multiple_of(step) {
            Ok(Self { bytes, media })
        } else {
            Err(FrameError::Ragged { step, got: bytes.len() })
        }
    }

    /// Returns the samples per channel.
    pub fn samples(&self) -> u64 {
        (self.bytes.len() / self.media.bytes_per_step()) as u64
    }

    /// Returns whether there is no sample in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns how the samples are written.
    pub const fn media(&self) -> Media {
        self.media
    }

    /// Returns the bytes as they came.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the bytes as they came, without a reference count more.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Returns the part between two samples, sharing the bytes; what lies beyond is cut off.
    #[must_use]
    pub fn slice(&self, samples: Range<u64>) -> Self {
        let step = self.media.bytes_per_step();
        let at = |sample: u64| {
            let whole = sample.min(self.samples());
            usize::try_from(whole).map_or(self.bytes.len(), |whole| whole * step)
        };
        let (from, to) = (at(samples.start), at(samples.end));
        Self { bytes: self.bytes.slice(from.min(to)..to), media: self.media }
    }

    /// Returns the bytes of one channel sample by sample, or nothing if it is not there.
    pub fn channel(&self, channel: MediaChannel) -> Option<impl Iterator<Item = &[u8]>> {
        let width = self.media.format.bytes_per_sample();
        let from = self.media.channels.index_of(channel)? * width;
        Some(
            self.bytes
                .chunks_exact(self.media.bytes_per_step())
                .map(move |step| &step[from..from + width]),
        )
    }

    /// Returns one channel as linear samples, or nothing if it is not there.
    ///
    /// Units: 16-bit signed, as G.711 expands them. `order` matters to L16 alone.
    pub fn linear(
        &self,
        channel: MediaChannel,
        order: ByteOrder,
    ) -> Option<impl Iterator<Item = i16>> {
        let format = self.media.format;
        Some(self.channel(channel)?.map(move |sample| match (format, order, sample) {
            (Format::Pcmu, _, [code]) => linear_of_ulaw(*code),
            (Format::L16, ByteOrder::LittleEndian, [low, high]) => {
                i16::from_le_bytes([*low, *high])
            }
            (Format::L16, ByteOrder::BigEndian, [high, low]) => i16::from_be_bytes([*high, *low]),
            // `channel` yields slices of exactly the format's width.
            (Format::Pcmu | Format::L16, _, _) => 0,
        }))
    }
}

impl fmt::Debug for Frame {
    /// Shows the size: audio never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} samples)", self.samples())
    }
}

/// Expands one G.711 µ-law code.
const fn linear_of_ulaw(code: u8) -> i16 {
    let code = !code;
    let (exponent, mantissa) = ((code >> 4) & 0x07, (code & 0x0F) as i16);
    let magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84;
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sidetone_model::MediaChannels;

    use super::*;

    use MediaChannel::{External, Internal};

    const STEREO: Media = Media::PCMU_STEREO;

    fn media(format: Format, channels: &[MediaChannel]) -> Media {
        Media { format, channels: MediaChannels::new(channels).expect("valid") }
    }

    fn bytes_of(frame: &Frame, channel: MediaChannel) -> Option<Vec<u8>> {
        Some(frame.channel(channel)?.flatten().copied().collect())
    }

    #[test]
    fn c60_any_whole_size_is_a_frame() {
        for len in [2, 4, 160, 1_600, 3_200, 63_998, 64_000] {
            let frame = Frame::new(vec![0xFF; len].into(), STEREO).expect("whole");
            assert_eq!(frame.samples(), len as u64 / 2);
        }
    }

    #[test]
    fn c61_an_empty_frame_is_a_frame() {
        let frame = Frame::new(Bytes::new(), STEREO).expect("whole");
        assert!(frame.is_empty());
        assert_eq!(frame.slice(0..10), frame);
        assert_eq!(bytes_of(&frame, External), Some(vec![]));
    }

    #[test]
    fn c62_a_partial_sample_is_refused() {
        for (format, channels, len) in [
            (Format::Pcmu, &[External, Internal][..], 3),
            (Format::L16, &[External], 5),
            (Format::L16, &[External, Internal], 6),
        ] {
            let media = media(format, channels);
            let step = media.bytes_per_step();
            assert_eq!(
                Frame::new(vec![0; len].into(), media),
                Err(FrameError::Ragged { step, got: len })
            );
        }
    }

    #[test]
    fn c63_channels_follow_the_selected_order() {
        let bytes = Bytes::from_static(&[1, 2, 3, 4]);
        for (channels, external, internal) in [
            (&[External, Internal][..], Some(vec![1, 3]), Some(vec![2, 4])),
            (&[Internal, External], Some(vec![2, 4]), Some(vec![1, 3])),
            (&[External], Some(vec![1, 2, 3, 4]), None),
            (&[Internal], None, Some(vec![1, 2, 3, 4])),
        ] {
            let frame = Frame::new(bytes.clone(), media(Format::Pcmu, channels)).expect("whole");
            assert_eq!(bytes_of(&frame, External), external);
            assert_eq!(bytes_of(&frame, Internal), internal);
        }
        let wide = Frame::new(bytes, media(Format::L16, &[Internal, External])).expect("whole");
        assert_eq!(bytes_of(&wide, External), Some(vec![3, 4]));
    }

    #[test]
    fn linear_samples_follow_format_and_byte_order() {
        let linear = |bytes: &'static [u8], format, order| -> Vec<i16> {
            let frame = Frame::new(Bytes::from_static(bytes), media(format, &[External]));
            frame.expect("whole").linear(External, order).expect("there").collect()
        };
        let codes = &[0xFF, 0x7F, 0x80, 0x00, 0xF0];
        assert_eq!(linear(codes, Format::Pcmu, ByteOrder::default()), [0, 0, 32_124, -32_124, 120]);
        assert_eq!(linear(&[1, 0x80], Format::L16, ByteOrder::LittleEndian), [-32_767]);
        assert_eq!(linear(&[1, 0x80], Format::L16, ByteOrder::BigEndian), [384]);
    }

    #[test]
    fn a_slice_shares_the_bytes() {
        let bytes = Bytes::from(vec![1, 2, 3, 4, 5, 6]);
        let frame = Frame::new(bytes.clone(), STEREO).expect("whole");
        assert_eq!(frame.slice(1..2).bytes().as_ptr(), bytes[2..].as_ptr());
        assert_eq!(frame.slice(1..2).bytes(), &bytes[2..4]);
        assert_eq!(frame.slice(1..99).bytes(), &bytes[2..]);
        #[expect(clippy::reversed_empty_ranges, reason = "a caller may get it wrong")]
        let reversed = frame.slice(2..1);
        assert!(reversed.is_empty());
    }

    proptest! {
        #[test]
        fn nothing_panics_and_slices_add_up(len in 0_usize..200, cut: u64, wide: bool) {
            let format = if wide { Format::L16 } else { Format::Pcmu };
            let media = media(format, &[Internal, External]);
            let bytes: Bytes = (0..len).map(|byte| byte as u8).collect::<Vec<_>>().into();
            match Frame::new(bytes.clone(), media) {
                Err(FrameError::Ragged { .. }) => {
                    prop_assert!(!len.is_multiple_of(media.bytes_per_step()));
                }
                Ok(frame) => {
                    let (head, tail) = (frame.slice(0..cut), frame.slice(cut..u64::MAX));
                    prop_assert_eq!([head.bytes().as_ref(), tail.bytes()].concat(), bytes);
                    prop_assert_eq!(head.samples() + tail.samples(), frame.samples());
                }
            }
        }
    }
}
