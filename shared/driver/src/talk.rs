//! Who is talking in a session, coarsely, for a person who looks on: a few samples of a frame
//! against a threshold.
//!
//! Refuses: costing anything where no screen shows it, and being used for more than a screen.

use std::sync::atomic::{AtomicU8, Ordering};

use sidetone_delivery_wire::{AudioFormat, Body, MediaChannel, SessionStarted};

/// Every how many samples of a channel one is looked at.
const STRIDE: usize = 8;

/// Which part of these must be loud.
const LOUD_ONE_IN: usize = 16;

/// The least µ-law magnitude of speech: about −40 dB of full scale. Line noise is below.
const ULAW_LOUD: u8 = 0x30;

/// The same for linear samples.
const LINEAR_LOUD: u16 = 320;

/// Who is talking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Talking {
    /// The customer.
    pub customer: bool,
    /// The agent, or whatever else the customer hears.
    pub agent: bool,
}

/// Where a session's media format and the speakers of its last frame are kept.
#[derive(Debug, Default)]
pub(crate) struct TalkCell {
    /// 0 before it is known; see [`Layout::packed`].
    layout: AtomicU8,
    talking: AtomicU8,
}

/// How a frame's samples lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    linear: bool,
    channels: usize,
    /// The place of the customer's channel, and of the agent's.
    customer: Option<usize>,
    agent: Option<usize>,
}

impl TalkCell {
    /// Notes what is published; audio only if somebody looks on.
    pub(crate) fn note(&self, body: &Body, is_shown: bool) {
        match body {
            Body::SessionStarted(started) => {
                self.layout.store(Layout::of(started).packed(), Ordering::Relaxed);
            }
            Body::Audio(audio) if is_shown => {
                let layout = Layout::unpacked(self.layout.load(Ordering::Relaxed));
                let Some(layout) = layout else { return };
                let Talking { customer, agent } = layout.talking(&audio.data);
                let bits = u8::from(customer) | u8::from(agent) << 1;
                self.talking.store(bits, Ordering::Relaxed);
            }
            Body::Audio(_)
            | Body::Gap(_)
            | Body::Paused(_)
            | Body::Resumed(_)
            | Body::CallEvent(_)
            | Body::Match(_)
            | Body::SessionEnded(_) => {}
        }
    }

    /// Returns who talked in the last frame.
    pub(crate) fn talking(&self) -> Talking {
        let bits = self.talking.load(Ordering::Relaxed);
        Talking { customer: bits & 1 != 0, agent: bits & 2 != 0 }
    }
}

impl Layout {
    fn of(started: &SessionStarted) -> Self {
        let channels: Vec<MediaChannel> = started.channels().collect();
        let place = |wanted| channels.iter().position(|channel| *channel == wanted);
        Self {
            linear: started.format() == AudioFormat::L16,
            channels: channels.len(),
            customer: place(MediaChannel::External),
            agent: place(MediaChannel::Internal),
        }
    }

    /// Puts it into a byte: two bits a place (3 is none), the format, and a bit that says so.
    fn packed(self) -> u8 {
        let place = |place: Option<usize>| match place {
            Some(0) => 0,
            Some(1) => 1,
            Some(_) | None => 3_u8,
        };
        let stereo = u8::from(self.channels > 1);
        0x80 | u8::from(self.linear) << 6
            | stereo << 5
            | place(self.customer) << 2
            | place(self.agent)
    }

    fn unpacked(bits: u8) -> Option<Self> {
        let place = |bits: u8| (bits < 2).then_some(usize::from(bits));
        (bits & 0x80 != 0).then(|| Self {
            linear: bits & 0x40 != 0,
            channels: if bits & 0x20 != 0 { 2 } else { 1 },
            customer: place(bits >> 2 & 3),
            agent: place(bits & 3),
        })
    }

    fn talking(self, data: &[u8]) -> Talking {
        let loud = |channel: Option<usize>| channel.is_some_and(|place| self.is_loud(place, data));
        Talking { customer: loud(self.customer), agent: loud(self.agent) }
    }

    fn is_loud(self, place: usize, data: &[u8]) -> bool {
        let bytes = if self.linear { 2 } else { 1 };
        let samples = data.chunks_exact(bytes).skip(place).step_by(self.channels * STRIDE);
        let (mut seen, mut loud) = (0, 0);
        for sample in samples {
            seen += 1;
            loud += usize::from(match sample {
                [ulaw] => !ulaw & 0x7f > ULAW_LOUD,
                [high, low] => i16::from_be_bytes([*high, *low]).unsigned_abs() > LINEAR_LOUD,
                _ => false,
            });
        }
        loud * LOUD_ONE_IN > seen
    }
}

#[cfg(test)]
mod tests {
    use sidetone_delivery_wire::Audio;

    use super::*;

    fn started(format: AudioFormat, channels: &[MediaChannel]) -> Body {
        let mut started = SessionStarted::default();
        started.set_format(format);
        channels.iter().for_each(|channel| started.push_channels(*channel));
        Body::SessionStarted(started)
    }

    fn frame(pair: &[u8]) -> Body {
        Body::Audio(Audio { data: pair.repeat(800).into(), ..Audio::default() })
    }

    #[test]
    fn loud_channel_is_the_one_that_talks() {
        let cell = TalkCell::default();
        let (quiet, loud) = (0xff, 0x90);
        cell.note(&frame(&[loud, loud]), true);
        assert_eq!(cell.talking(), Talking::default(), "the format is not known yet");
        let both = [MediaChannel::External, MediaChannel::Internal];
        cell.note(&started(AudioFormat::Pcmu, &both), true);
        for (pair, customer, agent) in [
            ([quiet, quiet], false, false),
            ([loud, quiet], true, false),
            ([quiet, loud], false, true),
            ([loud, loud], true, true),
        ] {
            cell.note(&frame(&pair), true);
            assert_eq!(cell.talking(), Talking { customer, agent });
        }
        cell.note(&started(AudioFormat::L16, &[MediaChannel::Internal]), true);
        cell.note(&frame(&[0x10, 0x00]), true);
        assert_eq!(cell.talking(), Talking { customer: false, agent: true });
    }

    #[test]
    fn audio_is_not_looked_at_where_no_screen_shows_it() {
        let cell = TalkCell::default();
        cell.note(&started(AudioFormat::Pcmu, &[MediaChannel::External]), false);
        cell.note(&frame(&[0x80, 0x80]), false);
        assert_eq!(cell.talking(), Talking::default());
    }
}
