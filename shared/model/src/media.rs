//! What audio a session carries: format, rate, media channels in their order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The only rate AudioHook has.
///
/// Units: samples per second and channel.
pub const SAMPLE_RATE: u32 = 8_000;

/// How one sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Format {
    /// G.711 µ-law, one byte a sample, silence is `0xFF`.
    #[serde(rename = "PCMU")]
    Pcmu,
    /// Linear PCM, two bytes a sample, signed.
    #[serde(rename = "L16")]
    L16,
}

impl Format {
    /// Returns the bytes that one sample of one channel takes.
    pub const fn bytes_per_sample(self) -> usize {
        match self {
            Self::Pcmu => 1,
            Self::L16 => 2,
        }
    }

    /// Returns the name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::L16 => "L16",
        }
    }
}

/// Whose sound a channel holds, seen from the customer's participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaChannel {
    /// What the participant, today always the customer, says.
    External,
    /// What the participant hears: the agent, or prompts and music.
    Internal,
}

impl MediaChannel {
    /// Returns the name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Internal => "internal",
        }
    }
}

/// One or two different channels in the order in which their samples alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<MediaChannel>", into = "Vec<MediaChannel>")]
pub struct MediaChannels {
    first: MediaChannel,
    second: Option<MediaChannel>,
}

/// Why a list of channels cannot be media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// There are none, or more than two.
    #[error("expected one or two channels, got {got}")]
    ChannelCount {
        /// How many there were.
        got: usize,
    },
    /// Both are the same.
    #[error("channel {channel} stands twice")]
    ChannelTwice {
        /// Which one.
        channel: MediaChannel,
    },
}

impl fmt::Display for MediaChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl MediaChannels {
    /// External, then internal: the usual order.
    pub const BOTH: Self =
        Self { first: MediaChannel::External, second: Some(MediaChannel::Internal) };

    /// Checks a list.
    ///
    /// Errors: [`MediaError`] for none, more than two, or one twice.
    pub fn new(channels: &[MediaChannel]) -> Result<Self, MediaError> {
        match *channels {
            [first] => Ok(Self { first, second: None }),
            [first, second] if first == second => Err(MediaError::ChannelTwice { channel: first }),
            [first, second] => Ok(Self { first, second: Some(second) }),
            _ => Err(MediaError::ChannelCount { got: channels.len() }),
        }
    }

    /// Returns one or two.
    pub const fn count(self) -> usize {
        if self.second.is_some() { 2 } else { 1 }
    }

    /// Returns the channels in order.
    pub fn iter(self) -> impl Iterator<Item = MediaChannel> {
        std::iter::once(self.first).chain(self.second)
    }

    /// Returns the place of a channel in the order, if it is there.
    pub fn index_of(self, channel: MediaChannel) -> Option<usize> {
        self.iter().position(|one| one == channel)
    }
}

impl TryFrom<Vec<MediaChannel>> for MediaChannels {
    type Error = MediaError;

    fn try_from(channels: Vec<MediaChannel>) -> Result<Self, MediaError> {
        Self::new(&channels)
    }
}

impl From<MediaChannels> for Vec<MediaChannel> {
    fn from(channels: MediaChannels) -> Self {
        channels.iter().collect()
    }
}

/// The negotiated media of a session; the rate is always [`SAMPLE_RATE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Media {
    /// How a sample is written.
    pub format: Format,
    /// Which channels, in which order.
    pub channels: MediaChannels,
}

impl Media {
    /// µ-law, external then internal: what production usually selects.
    pub const PCMU_STEREO: Self = Self { format: Format::Pcmu, channels: MediaChannels::BOTH };

    /// Returns the bytes of one sample over all channels.
    pub const fn bytes_per_step(self) -> usize {
        self.format.bytes_per_sample() * self.channels.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_no_channel_three_and_one_twice() {
        use MediaChannel::{External, Internal};
        assert!(MediaChannels::new(&[]).is_err());
        assert!(MediaChannels::new(&[External, External]).is_err());
        assert!(MediaChannels::new(&[External, Internal, External]).is_err());
    }

    #[test]
    fn keeps_the_offered_order() {
        use MediaChannel::{External, Internal};
        let channels = MediaChannels::new(&[Internal, External]).expect("valid");
        assert_eq!(channels.index_of(External), Some(1));
        assert_eq!(channels.iter().collect::<Vec<_>>(), [Internal, External]);
    }
}
