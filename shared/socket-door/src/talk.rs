//! One conversation on one socket: read, hand over, carry out, wait.
//!
//! The socket comes first, and what an input makes is written before the next input is looked
//! at, so a pong never waits behind audio. Writing never holds up reading: what the socket
//! does not take waits in a bounded queue, and a client that lets it fill is cut off.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use sidetone_audiohook_proto::{Handshake, SessionEvent, Violation};
use sidetone_driver::{Input, SocketOutput};
use sidetone_model::{ConnectionId, Outside, SessionId, Timestamp};
use tokio::time::{Instant, Sleep};
use uuid::Uuid;

use crate::config::{STALL_MIN, STREAK_MAX, TIMER_STEP_MIN};
use crate::door::{Alarm, Core};
use crate::figures::Figures;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::line::{Heard, Line, LineError};

/// Whoever talks at this end of a socket.
pub(crate) trait Talk {
    /// Takes one input.
    fn handle(&mut self, input: Input<'_>);
    /// Returns what the socket has to do next.
    fn poll_socket(&mut self) -> Option<SocketOutput>;
    /// Returns when [`Input::Timeout`] is due.
    fn deadline(&self) -> Option<Timestamp>;
    /// Waits for news from elsewhere and takes it in; may be dropped at any time.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}

/// How a socket came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client closed it, or the connection broke.
    Left,
    /// The client had all the time it was due, and is let go.
    LetGo,
    /// What came in could not be read.
    Broken,
    /// The client did not read what it was sent.
    SlowReader,
    /// The door closes and waits no longer.
    Cut,
}

impl Ending {
    /// Returns a name for logs.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::LetGo => "let-go",
            Self::Broken => "broken",
            Self::SlowReader => "slow-reader",
            Self::Cut => "cut",
        }
    }
}

/// Which conversation it is, and what was counted of it.
#[derive(Debug)]
pub(crate) struct Scene {
    /// The session.
    pub(crate) session: SessionId,
    /// The socket.
    pub(crate) connection: ConnectionId,
    /// When the connection was accepted.
    pub(crate) accepted_at: Instant,
    /// Whether `opened`, or something in its place, was sent.
    pub(crate) greeted: bool,
    /// Frames read and not yet counted.
    pub(crate) frames: u64,
    /// Their bytes.
    pub(crate) media_bytes: u64,
}

impl Scene {
    /// Gives a socket its name, fresh for each upgrade.
    pub(crate) fn new(handshake: &Handshake, accepted_at: Instant) -> Self {
        Self {
            session: handshake.session_id.session_id(),
            connection: ConnectionId::new(Uuid::new_v4().simple().to_string()),
            accepted_at,
            greeted: false,
            frames: 0,
            media_bytes: 0,
        }
    }

    /// Counts what was read since the last time.
    pub(crate) fn count(&mut self, figures: &Figures) {
        figures.frames.increment(std::mem::take(&mut self.frames));
        figures.media_bytes.increment(std::mem::take(&mut self.media_bytes));
    }
}

enum Event {
    Heard(Heard),
    Changed,
    Due,
    Alarm(Alarm),
}

/// The one timer of a conversation: armed anew only for an earlier deadline, it looks when it
/// fires whether the deadline has moved away meanwhile.
struct Timer<'s> {
    sleep: Pin<&'s mut Sleep>,
    armed: Option<Timestamp>,
    not_before: Timestamp,
    /// Whether the last deadline was put off because this process had not run.
    put_off: bool,
}

impl Timer<'_> {
    fn arm(&mut self, core: &Core, deadline: Option<Timestamp>) {
        let Some(due) = deadline.map(|due| due.max(self.not_before)) else { return };
        if self.armed.is_none_or(|armed| due < armed) {
            self.sleep.as_mut().reset(core.clock.instant_at(due));
            self.armed = Some(due);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.armed {
            Some(_) => self.sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// Notes that it fired; returns whether the deadline has really passed.
    ///
    /// A timer that fires much too late means that this process did not run. What the client
    /// sent meanwhile has not been read, or the client was suspended too: the deadline is put
    /// off once, so that the socket is read before the client's silence is judged.
    fn fired(&mut self, now: Timestamp, deadline: Option<Timestamp>) -> bool {
        let late = self.armed.take().map_or(Duration::ZERO, |armed| now.since(armed));
        let passed = deadline.is_some_and(|due| due <= now);
        self.put_off = passed && late > STALL_MIN && !self.put_off;
        if passed {
            self.not_before = now + if self.put_off { STALL_MIN } else { TIMER_STEP_MIN };
        }
        passed && !self.put_off
    }
}

/// Talks until the socket has come to its end.
pub(crate) async fn converse<T: Talk + Send>(
    line: &mut Line,
    talk: &mut T,
    core: &Core,
    scene: &mut Scene,
) -> Ending {
    let mut timer = Timer {
        sleep: pin!(tokio::time::sleep_until(Instant::now())),
        armed: None,
        not_before: Timestamp::default(),
        put_off: false,
    };
    let _listens = core.alarms.listen().await;
    let mut alarm = Alarm::None;
    let mut streak = 0;
    // Whoever turns a client away has something to say before it hears anything.
    if let Err(ending) = carry_out(line, talk, core, scene) {
        return ending;
    }
    loop {
        timer.arm(core, talk.deadline());
        let event = next(line, talk, core, &mut timer, alarm, streak).await;
        streak = if matches!(event, Event::Heard(_)) { streak + 1 } else { 0 };
        let mut breach = None;
        let mut heard_at = None;
        match event {
            Event::Heard(Heard::Media(bytes)) => {
                scene.frames += 1;
                scene.media_bytes += bytes.len() as u64;
                talk.handle(Input::Media(bytes));
            }
            Event::Heard(Heard::Text(text)) => {
                heard_at = Some(Instant::now());
                scene.count(&core.figures);
                talk.handle(Input::Text(text.as_str()));
            }
            Event::Heard(Heard::Breach { violation, code }) => {
                breach = Some(code);
                talk.handle(Input::Breach(violation));
            }
            Event::Heard(Heard::End) => return Ending::Left,
            Event::Changed => {}
            Event::Due if is_overdue(line, core) => {
                timer.armed = None;
                breach = Some(CloseCode::Policy);
                talk.handle(Input::Breach(Violation::Unfinished));
            }
            Event::Due => {
                if timer.fired(core.clock.steady(), talk.deadline()) {
                    talk.handle(Input::Timeout);
                }
            }
            Event::Alarm(Alarm::Cut) => return Ending::Cut,
            Event::Alarm(raised) => {
                alarm = raised;
                talk.handle(Input::Shutdown);
            }
        }
        match carry_out(line, talk, core, scene) {
            Ok(true) => {
                if let Some(heard_at) = heard_at {
                    core.figures.ping_to_pong.record(heard_at.elapsed());
                }
            }
            Ok(false) => {}
            Err(ending) => return ending,
        }
        if let Some(code) = breach {
            line.hang_up(code).await;
            return Ending::Broken;
        }
    }
}

/// Waits for what comes next. The socket is first, but not for ever.
async fn next<T: Talk + Send>(
    line: &mut Line,
    talk: &mut T,
    core: &Core,
    timer: &mut Timer<'_>,
    alarm: Alarm,
    streak: u32,
) -> Event {
    let mut changed = pin!(talk.changed());
    let others_first = streak > 0 && streak.is_multiple_of(STREAK_MAX);
    poll_fn(|cx| {
        if !others_first && let Poll::Ready(heard) = line.poll(cx) {
            return Poll::Ready(Event::Heard(heard));
        }
        timer.arm(core, line.whole_by(&core.clock));
        let raised = core.alarms.raised();
        if raised > alarm {
            return Poll::Ready(Event::Alarm(raised));
        }
        if changed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::Changed);
        }
        if timer.poll(cx).is_ready() {
            return Poll::Ready(Event::Due);
        }
        if others_first {
            return line.poll(cx).map(Event::Heard);
        }
        Poll::Pending
    })
    .await
}

/// Returns whether a message has been arriving for too long.
fn is_overdue(line: &Line, core: &Core) -> bool {
    line.whole_by(&core.clock).is_some_and(|by| by <= core.clock.steady())
}

/// Does what the talker wants of the socket; returns whether something was sent.
fn carry_out<T: Talk>(
    line: &mut Line,
    talk: &mut T,
    core: &Core,
    scene: &mut Scene,
) -> Result<bool, Ending> {
    let mut sent = false;
    while let Some(output) = talk.poll_socket() {
        match output {
            SocketOutput::Text(text) => {
                if !std::mem::replace(&mut scene.greeted, true)
                    && text.contains("\"type\":\"opened\"")
                {
                    core.figures.connect_to_opened.record(scene.accepted_at.elapsed());
                }
                sent = true;
                line.send(text).map_err(|error| match error {
                    LineError::Full => Ending::SlowReader,
                    LineError::Lost => Ending::Left,
                })?;
            }
            SocketOutput::Drop => return Err(Ending::LetGo),
            SocketOutput::Noted(event) => note(scene, &event),
        }
    }
    Ok(sent)
}

fn note(scene: &Scene, event: &SessionEvent) {
    let Scene { session, connection, .. } = scene;
    match event {
        SessionEvent::Violation(violation) => {
            Figures::violated(violation.label());
            tracing::warn!(%session, %connection, %violation, "client broke the protocol");
        }
        SessionEvent::ClientError { code, message, .. } => {
            let text = message.as_deref().map(Outside::new).map(tracing::field::display);
            tracing::warn!(%session, %connection, code, text, "client reported a fault");
        }
        SessionEvent::Tolerated(tolerated) => {
            Figures::tolerated(tolerated.label());
            tracing::debug!(%session, %connection, oddity = tolerated.label(), "let pass");
        }
        // The engine notes none of these.
        SessionEvent::OpenRequested { .. }
        | SessionEvent::Audio { .. }
        | SessionEvent::Paused { .. }
        | SessionEvent::Resumed { .. }
        | SessionEvent::Discarded { .. }
        | SessionEvent::Undelivered { .. }
        | SessionEvent::Drifted { .. }
        | SessionEvent::PositionObserved { .. }
        | SessionEvent::LanguageUpdated { .. }
        | SessionEvent::Closing { .. }
        | SessionEvent::Closed { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_passed_during_a_suspension_is_put_off_once() {
        let mut timer = Timer {
            sleep: pin!(tokio::time::sleep_until(Instant::now())),
            armed: Some(at(10_000)),
            not_before: Timestamp::default(),
            put_off: false,
        };
        // The process was suspended for 30 s: the client is given a second to be read.
        assert!(!timer.fired(at(40_000), Some(at(10_000))));
        assert_eq!(timer.not_before, at(41_000));
        // The client sent nothing: its silence is judged, however late the timer is.
        timer.armed = Some(timer.not_before);
        assert!(timer.fired(at(43_000), Some(at(10_000))));
        // A second suspension is another one.
        timer.armed = Some(at(50_000));
        assert!(!timer.fired(at(80_000), Some(at(50_000))));
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_that_passed_in_time_is_judged_at_once() {
        let mut timer = Timer {
            sleep: pin!(tokio::time::sleep_until(Instant::now())),
            armed: Some(at(10_000)),
            not_before: Timestamp::default(),
            put_off: false,
        };
        assert!(timer.fired(at(10_900), Some(at(10_000))));
        timer.armed = Some(at(11_000));
        assert!(!timer.fired(at(11_000), Some(at(25_000))), "the client was heard meanwhile");
    }
}
