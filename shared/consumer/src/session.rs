//! What is known of one session from the records seen so far.

use std::collections::{BTreeMap, HashMap};

use sidetone_delivery_wire as wire;
use sidetone_delivery_wire::{Body, EndCause, GapReason, SessionEnded};
use sidetone_model::{
    AgentId, ConnectionId, Format, Listen, Media, MediaChannel, MediaChannels, ParticipantId,
    Position, Segment, Timestamp,
};

use crate::attribution::Attribution;
use crate::ranges::Ranges;
use crate::record::{Record, SessionKey};
use crate::reorder::{Missing, Ordered};

/// How a session began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStart {
    /// Its media; absent if no audio was taken, or none that this version can read.
    pub media: Option<Media>,
    /// The participant it follows, today always the customer.
    pub participant: ParticipantId,
    /// How its door decides what to listen to; `matched` if that is not known.
    pub listen: Listen,
    /// When `open` arrived.
    pub opened_at: Timestamp,
    /// BCP-47 tag; empty if Genesys sent none.
    pub language: Box<str>,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionEnd {
    /// When its door said so, or whoever found its door dead.
    pub at: Timestamp,
    /// What was said.
    pub ended: SessionEnded,
}

/// Media that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapView {
    /// Where it begins; of an open gap, where the lost connection's records end.
    pub from: Position,
    /// Where it ends; absent if that is not known.
    pub to: Option<Position>,
    /// Why.
    pub reason: GapReason,
    /// How many whole frames it stands for; 0 if that is not known.
    pub frames: u32,
    /// The connection whose door died, of an open gap.
    pub lost_connection: Option<ConnectionId>,
}

/// A stretch that Genesys did not stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PauseView {
    /// Where it began.
    pub from: Position,
    /// Where media went on; absent while it lasts.
    pub to: Option<Position>,
    /// Whether Sidetone had asked for it; not known if its beginning was missed.
    pub asked: Option<bool>,
}

/// Whether the session was matched, from some position on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchView {
    /// From where on.
    pub position: Position,
    /// The agent, if matched.
    pub agent: Option<AgentId>,
    /// Why not; empty if matched.
    pub reason: Box<str>,
}

/// What an item changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Something came in addition to what was known.
    Added,
    /// Audio that was handed out before belongs to somebody else, from here on.
    ///
    /// Ask [`SessionView::owner_of`] again for what lies behind.
    Corrected {
        /// The first position that changed hands.
        from: Position,
    },
    /// The session is over; what may come still is late.
    Ended,
}

/// One session: media, attribution, what is missing and why, how it ended.
#[derive(Debug, Clone)]
pub struct SessionView {
    key: SessionKey,
    start: Option<SessionStart>,
    attribution: Attribution,
    audio: Ranges,
    pauses: BTreeMap<Position, PauseView>,
    gaps: Vec<GapView>,
    matches: Vec<MatchView>,
    missing: Vec<Missing>,
    end: Option<SessionEnd>,
    connections: BTreeMap<ConnectionId, Progress>,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    last_number: u64,
    media_end: Position,
    /// Its own door said that it ended.
    ended: bool,
}

impl SessionView {
    /// Starts with nothing known.
    pub fn new(key: SessionKey) -> Self {
        Self {
            key,
            start: None,
            attribution: Attribution::default(),
            audio: Ranges::default(),
            pauses: BTreeMap::new(),
            gaps: Vec::new(),
            matches: Vec::new(),
            missing: Vec::new(),
            end: None,
            connections: BTreeMap::new(),
        }
    }

    /// Takes an item of this session, in the order in which [`crate::Reorder`] gives them.
    pub fn apply(&mut self, item: &Ordered) -> Effect {
        match item {
            Ordered::Missing(missing) => {
                self.missing.push(missing.clone());
                Effect::Added
            }
            Ordered::Record(record) => self.apply_record(record),
        }
    }

    /// Returns which session it is.
    pub const fn key(&self) -> SessionKey {
        self.key
    }

    /// Returns how it began, once that is known.
    pub const fn start(&self) -> Option<&SessionStart> {
        self.start.as_ref()
    }

    /// Returns its media, if it has any.
    pub fn media(&self) -> Option<Media> {
        self.start.as_ref().and_then(|start| start.media)
    }

    /// Returns who was on the call, and whose audio is whose.
    pub const fn attribution(&self) -> &Attribution {
        &self.attribution
    }

    /// Returns how often audio changed hands; ask again when it grows.
    pub const fn revision(&self) -> u64 {
        self.attribution.revision()
    }

    /// Returns whose the media from `from` to `to` is, as far as is known now.
    pub fn owner_of(&self, from: Position, to: Position) -> Option<&Segment> {
        self.attribution.owner_of(from, to)
    }

    /// Returns what of the media from `from` to `to` may be used, in order: what belongs to an
    /// agent of ours, or all of it if the session listens always.
    pub fn kept(&self, from: Position, to: Position) -> Vec<(Position, Position)> {
        if self.listens_always() {
            return vec![(from, to)];
        }
        self.attribution.owned(from, to).collect()
    }

    /// Returns whether audio that belongs to nobody is kept.
    pub fn listens_always(&self) -> bool {
        self.start.as_ref().is_some_and(|start| start.listen == Listen::Always)
    }

    /// Returns which media was delivered, in samples per channel from the session's start.
    pub const fn audio(&self) -> &Ranges {
        &self.audio
    }

    /// Returns the pauses in order.
    pub fn pauses(&self) -> impl Iterator<Item = PauseView> {
        self.pauses.values().copied()
    }

    /// Returns what is missing and was said to be, in order.
    ///
    /// An open gap says that a door died. Where the door says itself how its connection ended,
    /// it did not, and the gap does not exist.
    pub fn gaps(&self) -> Vec<GapView> {
        let mut gaps = self.gaps.clone();
        gaps.retain(|gap| {
            let lost = gap.lost_connection.as_ref().and_then(|lost| self.connections.get(lost));
            !lost.is_some_and(|progress| progress.ended)
        });
        for gap in &mut gaps {
            if let Some(lost) = &gap.lost_connection {
                gap.from = self.media_end_of(lost);
            }
        }
        gaps.sort_by_key(|gap| (gap.from, gap.to));
        gaps
    }

    /// Returns whether it was matched, from where on, in the order it was said.
    pub fn matches(&self) -> &[MatchView] {
        &self.matches
    }

    /// Returns the records that were given up.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Returns how it ended, once it has.
    pub const fn end(&self) -> Option<&SessionEnd> {
        self.end.as_ref()
    }

    /// Returns its connections with the last number seen of each.
    pub fn connections(&self) -> impl Iterator<Item = (&ConnectionId, u64)> {
        self.connections.iter().map(|(id, progress)| (id, progress.last_number))
    }

    /// Returns how far the media had come, as far as is known.
    pub fn media_end(&self) -> Position {
        let ended = self.end.as_ref().map(|end| Position::from_samples(end.ended.position));
        self.connections
            .values()
            .map(|progress| progress.media_end)
            .chain(ended)
            .max()
            .unwrap_or_default()
    }

    /// Notes media without its record, for those who go through a whole session twice.
    pub(crate) fn note_audio(
        &mut self,
        connection: &ConnectionId,
        number: u64,
        position: u64,
        samples: u32,
    ) {
        let end = position.saturating_add(u64::from(samples));
        self.progress(connection, number, end);
        self.audio.insert(position, end);
    }

    /// Notes a number whose record says nothing.
    pub(crate) fn note_number(&mut self, connection: &ConnectionId, number: u64) {
        self.progress(connection, number, 0);
    }

    fn apply_record(&mut self, record: &Record) -> Effect {
        let connection = &record.origin.connection;
        let Some(body) = &record.body else {
            self.note_number(connection, record.number);
            return Effect::Added;
        };
        if let Body::Audio(audio) = body {
            self.note_audio(connection, record.number, audio.position, audio.samples);
            return Effect::Added;
        }
        self.progress(connection, record.number, media_end_in(body));
        if let (Body::SessionEnded(_), Some(progress)) =
            (body, self.connections.get_mut(connection))
        {
            progress.ended = true;
        }
        self.apply_body(body, record.made_at)
    }

    fn apply_body(&mut self, body: &Body, made_at: Timestamp) -> Effect {
        match body {
            Body::Audio(_) => Effect::Added,
            Body::SessionStarted(started) => {
                // One that came again on another connection goes on with the same media.
                self.start.get_or_insert_with(|| SessionStart::read(started));
                Effect::Added
            }
            Body::Gap(gap) => {
                self.gaps.push(GapView::read(gap));
                Effect::Added
            }
            Body::Paused(paused) => {
                let from = Position::from_samples(paused.position);
                let pause =
                    self.pauses.entry(from).or_insert(PauseView { from, to: None, asked: None });
                pause.asked = Some(paused.asked);
                Effect::Added
            }
            Body::Resumed(resumed) => {
                let from = Position::from_samples(resumed.from);
                let pause =
                    self.pauses.entry(from).or_insert(PauseView { from, to: None, asked: None });
                pause.to = Some(Position::from_samples(resumed.to));
                Effect::Added
            }
            Body::CallEvent(event) => match self.attribution.apply(event) {
                Some(from) if self.audio.end().is_some_and(|end| end > from.samples()) => {
                    Effect::Corrected { from }
                }
                Some(_) | None => Effect::Added,
            },
            Body::Match(matched) => {
                self.matches.push(MatchView {
                    position: Position::from_samples(matched.position),
                    agent: (!matched.agent_id.is_empty())
                        .then(|| AgentId::new(matched.agent_id.as_str())),
                    reason: matched.reason.as_str().into(),
                });
                Effect::Added
            }
            Body::SessionEnded(ended) => {
                // A door that was taken for dead and was not knows better how it ended.
                let knows = |end: &SessionEnd| end.ended.cause() != EndCause::Lost;
                if ended.cause() != EndCause::Lost || !self.end.as_ref().is_some_and(knows) {
                    let at = match ended.ended_at_us {
                        0 => made_at,
                        micros => Timestamp::from_micros(micros),
                    };
                    self.end = Some(SessionEnd { at, ended: *ended });
                }
                Effect::Ended
            }
        }
    }

    fn progress(&mut self, connection: &ConnectionId, number: u64, media_end: u64) {
        if !self.connections.contains_key(connection) {
            self.connections.insert(connection.clone(), Progress::default());
        }
        if let Some(progress) = self.connections.get_mut(connection) {
            progress.last_number = progress.last_number.max(number);
            progress.media_end = progress.media_end.max(Position::from_samples(media_end));
        }
    }

    fn media_end_of(&self, connection: &ConnectionId) -> Position {
        self.connections.get(connection).map_or_else(
            || Position::from_samples(self.audio.end().unwrap_or(0)),
            |progress| progress.media_end,
        )
    }
}

impl SessionStart {
    pub(crate) fn read(started: &wire::SessionStarted) -> Self {
        Self {
            media: media_of(started),
            participant: ParticipantId::new(started.participant_id.as_str()),
            listen: match started.listen.as_str() {
                "always" => Listen::Always,
                "ready" => Listen::Ready,
                // Whatever else it is, audio that is nobody's is not to be used.
                _ => Listen::Matched,
            },
            opened_at: Timestamp::from_micros(started.opened_at_us),
            language: started.language.as_str().into(),
        }
    }
}

impl GapView {
    fn read(gap: &wire::Gap) -> Self {
        Self {
            from: Position::from_samples(gap.from),
            to: (!gap.open).then(|| Position::from_samples(gap.to)),
            reason: gap.reason(),
            frames: gap.frames,
            lost_connection: gap.open.then(|| ConnectionId::new(gap.lost_connection_id.as_str())),
        }
    }
}

/// Returns the media of a session, if it is such as this version can read.
fn media_of(started: &wire::SessionStarted) -> Option<Media> {
    let format = match started.format() {
        wire::AudioFormat::Pcmu => Format::Pcmu,
        wire::AudioFormat::L16 => Format::L16,
        wire::AudioFormat::Unspecified => return None,
    };
    if started.rate != sidetone_model::SAMPLE_RATE {
        return None;
    }
    let channels: Option<Vec<MediaChannel>> = started
        .channels()
        .map(|channel| match channel {
            wire::MediaChannel::External => Some(MediaChannel::External),
            wire::MediaChannel::Internal => Some(MediaChannel::Internal),
            wire::MediaChannel::Unspecified => None,
        })
        .collect();
    Some(Media { format, channels: MediaChannels::new(&channels?).ok()? })
}

/// Returns how far the media had come when a record was made, as far as it says.
fn media_end_in(body: &Body) -> u64 {
    match body {
        Body::Audio(audio) => audio.position.saturating_add(u64::from(audio.samples)),
        Body::Gap(gap) if gap.open => 0,
        Body::Gap(gap) => gap.to,
        Body::Paused(paused) => paused.position,
        Body::Resumed(resumed) => resumed.to,
        Body::SessionStarted(_) | Body::CallEvent(_) | Body::Match(_) | Body::SessionEnded(_) => 0,
    }
}

/// The sessions a live consumer follows, up to a bound.
///
/// Beyond it, the one that was silent for longest is forgotten.
#[derive(Debug)]
pub struct Sessions {
    views: HashMap<SessionKey, (u64, SessionView)>,
    max: usize,
    touch: u64,
}

impl Sessions {
    /// Follows up to `max` sessions, at least one.
    pub fn new(max: usize) -> Self {
        Self { views: HashMap::new(), max: max.max(1), touch: 0 }
    }

    /// Takes an item, and returns what it changed and the session as it is now.
    pub fn apply(&mut self, item: &Ordered) -> (Effect, &SessionView) {
        self.touch += 1;
        let key = item.origin().session;
        if !self.views.contains_key(&key) && self.views.len() >= self.max {
            let oldest = self.views.iter().min_by_key(|(_, (touch, _))| *touch);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.views.remove(&oldest);
            }
        }
        let entry = self.views.entry(key);
        let (touch, view) = entry.or_insert_with(|| (0, SessionView::new(key)));
        *touch = self.touch;
        (view.apply(item), view)
    }

    /// Returns a session.
    pub fn view(&self, key: &SessionKey) -> Option<&SessionView> {
        self.views.get(key).map(|(_, view)| view)
    }

    /// Returns every session, in order of its key.
    pub fn views(&self) -> Vec<&SessionView> {
        let mut views: Vec<_> = self.views.values().map(|(_, view)| view).collect();
        views.sort_unstable_by_key(|view| view.key);
        views
    }

    /// Forgets a session.
    pub fn remove(&mut self, key: &SessionKey) -> Option<SessionView> {
        self.views.remove(key).map(|(_, view)| view)
    }
}

#[cfg(test)]
mod tests {
    use wire::CallEventKind::{Ended, Started};

    use super::*;
    use crate::testing::{Script, event};

    fn view_of(script: Script) -> (SessionView, Vec<Effect>) {
        let records = script.records(1);
        let mut view = SessionView::new(records[0].origin.session);
        let effects =
            records.into_iter().map(|record| view.apply(&Ordered::Record(record))).collect();
        (view, effects)
    }

    #[test]
    fn a_late_event_corrects_audio_already_handed_out() {
        let (view, effects) = view_of(
            Script::new("c")
                .start("matched")
                .event(event(Started, "l1", "ada", 0))
                .audio(0, 8_000)
                .audio(8_000, 8_000)
                .event(event(Ended, "l1", "ada", 1_000))
                .event(event(Started, "l2", "bo", 1_500))
                .event(event(Started, "l2", "bo", 5_000)),
        );
        let at = Position::from_millis;
        assert_eq!(effects[4], Effect::Corrected { from: at(1_000) });
        assert_eq!(effects[5], Effect::Corrected { from: at(1_500) });
        assert_eq!(effects[6], Effect::Corrected { from: at(1_500) });
        assert_eq!(view.revision(), 4);
        assert_eq!(view.kept(at(0), at(2_000)), [(at(0), at(1_250))]);
    }

    #[test]
    fn knows_media_pauses_gaps_matches_and_the_end() {
        let (view, effects) = view_of(
            Script::new("c")
                .start("ready")
                .matched("", "no-agent", 0)
                .matched("ada", "", 100)
                .audio(0, 160)
                .gap(160, 480)
                .paused(480, true)
                .resumed(480, 800)
                .paused(960, false)
                .end(960),
        );
        assert_eq!(view.media(), Some(Media::PCMU_STEREO));
        assert_eq!(view.start().map(|start| start.listen), Some(Listen::Ready));
        let samples = Position::from_samples;
        assert_eq!(
            view.pauses().collect::<Vec<_>>(),
            [
                PauseView { from: samples(480), to: Some(samples(800)), asked: Some(true) },
                PauseView { from: samples(960), to: None, asked: Some(false) },
            ]
        );
        assert_eq!(view.gaps()[0].to, Some(samples(480)));
        assert_eq!(view.matches()[0].reason.as_ref(), "no-agent");
        assert_eq!(view.matches()[1].agent, Some(AgentId::new("ada")));
        assert_eq!(view.media_end(), samples(960));
        assert_eq!(effects.last(), Some(&Effect::Ended));
        assert_eq!(view.connections().collect::<Vec<_>>(), [(&ConnectionId::new("c"), 9)]);
    }

    #[test]
    fn an_open_gap_begins_where_the_lost_connection_ended() {
        let (mut view, _) = view_of(Script::new("c").start("matched").audio(0, 160));
        for record in Script::new("sweep-c").open_gap("c").lost().records(5) {
            view.apply(&Ordered::Record(record));
        }
        let gaps = view.gaps();
        assert_eq!((gaps[0].from, gaps[0].to), (Position::from_samples(160), None));
        assert_eq!(view.end().map(|end| end.ended.cause()), Some(EndCause::Lost));
    }

    #[test]
    fn media_that_cannot_be_read_is_none() {
        let started = wire::SessionStarted {
            format: wire::AudioFormat::Pcmu.into(),
            rate: 8_000,
            channels: vec![1, 2],
            ..wire::SessionStarted::default()
        };
        assert_eq!(media_of(&started), Some(Media::PCMU_STEREO));
        assert_eq!(media_of(&wire::SessionStarted { rate: 16_000, ..started.clone() }), None);
        assert_eq!(media_of(&wire::SessionStarted { channels: vec![], ..started.clone() }), None);
        assert_eq!(media_of(&wire::SessionStarted { channels: vec![9], ..started.clone() }), None);
        assert_eq!(media_of(&wire::SessionStarted { format: 7, ..started }), None);
    }

    #[test]
    fn follows_no_more_sessions_than_it_may() {
        let mut sessions = Sessions::new(2);
        for session in [0, 1, 0, 2] {
            let record = Script::of(session, "c").start("matched").records(1).remove(0);
            sessions.apply(&Ordered::Record(record));
        }
        let key = |number| Script::of(number, "c").session_key();
        assert!(sessions.view(&key(1)).is_none());
        assert_eq!(sessions.views().len(), 2);
        assert!(sessions.remove(&key(0)).is_some());
    }
}
