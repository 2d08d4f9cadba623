//! What the consumer library gave its user of one session.

use bytes::Bytes;
use sidetone_consumer::{Ordered, SessionKey, SessionView};
use sidetone_delivery_wire::Body;
use sidetone_genesys_sim::Stretch;
use sidetone_model::{Media, Position, Timestamp};

/// One frame as the stream had it.
#[derive(Debug, Clone)]
pub struct HeardFrame {
    /// Where it lies.
    pub stretch: Stretch,
    /// The samples.
    pub data: Bytes,
    /// When the stream took it.
    pub committed_at: Timestamp,
}

/// One session, collected from the items of a subscription.
#[derive(Debug, Clone)]
pub struct Heard {
    view: SessionView,
    frames: Vec<HeardFrame>,
}

impl Heard {
    /// Starts with nothing heard.
    pub fn new(key: SessionKey) -> Self {
        Self { view: SessionView::new(key), frames: Vec::new() }
    }

    /// Takes an item of this session.
    pub fn take(&mut self, item: &Ordered) {
        self.view.apply(item);
        if let Ordered::Record(record) = item
            && let Some(Body::Audio(audio)) = &record.body
        {
            let from = Position::from_samples(audio.position);
            self.frames.push(HeardFrame {
                stretch: Stretch::new(from, from.plus_samples(audio.samples.into())),
                data: audio.data.clone(),
                committed_at: record.committed_at,
            });
        }
    }

    /// Returns what the library knows of the session.
    pub const fn view(&self) -> &SessionView {
        &self.view
    }

    /// Returns every frame, in the order in which they came.
    pub fn frames(&self) -> &[HeardFrame] {
        &self.frames
    }

    /// Returns what the library's user may use of each frame, after all corrections.
    pub fn kept(&self) -> impl Iterator<Item = HeardFrame> {
        let step = self.view.media().map_or(1, Media::bytes_per_step);
        self.frames.iter().flat_map(move |frame| {
            let begin = frame.stretch.from;
            let parts = self.view.kept(begin, frame.stretch.to);
            parts.into_iter().map(move |(from, to)| {
                let byte = |position: Position| {
                    let sample =
                        usize::try_from(position.samples_since(begin)).unwrap_or(usize::MAX);
                    sample.saturating_mul(step).min(frame.data.len())
                };
                HeardFrame {
                    stretch: Stretch::new(from, to),
                    data: frame.data.slice(byte(from)..byte(to)),
                    committed_at: frame.committed_at,
                }
            })
        })
    }

    /// Returns whether the session is over.
    pub const fn is_over(&self) -> bool {
        self.view.end().is_some()
    }
}
