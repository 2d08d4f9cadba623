//! All sessions together, spread evenly over each 200 ms, and what they measure.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use sidetone_ports::Clock;
use tokio::task::{spawn_local, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::session::{Peer, Sent, Session};
use super::wire;
use crate::Failure;
use crate::figures::{Latencies, Latency};

/// Milliseconds of a frame, and as many moments at which sessions send.
const SLOTS: usize = 200;
/// Frames between two pings: 5 s.
const PING_EVERY: usize = 25;
/// A ping that is older than this when a window ends counts with its age: leaving it out would
/// hide the slowest.
const PING_OVERDUE: Duration = Duration::from_millis(50);
/// How long a client waits for `closed`; it looks so often.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);
const CLOSED_LOOK_EVERY: Duration = Duration::from_millis(5);

/// Sessions that talk to one server; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Fleet(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    peer: Peer,
    address: SocketAddr,
    clock: Clock,
    frame: Vec<u8>,
    slots: Vec<RefCell<Vec<Rc<Session>>>>,
    count: Cell<usize>,
    talks: Cell<bool>,
    tally: RefCell<Tally>,
}

/// What was measured since the last time.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// From a ping's moment to its pong.
    pub(crate) pongs: Latencies,
    /// How late the sessions' turns came.
    pub(crate) lateness: Latencies,
    /// Frames that the socket did not take.
    pub(crate) frames_held_back: u64,
    /// Sessions that ended although nobody wanted that.
    pub(crate) sessions_lost: u64,
}

/// How connecting went.
#[derive(Debug)]
pub(crate) struct Opened {
    /// From the first packet to `opened`; to the 101 where there is nothing to open.
    pub(crate) latency: Latency,
    /// Sessions that could not be opened.
    pub(crate) failed: usize,
    /// Why, of one of them.
    pub(crate) failure: Option<Failure>,
}

impl Fleet {
    /// Prepares a fleet without sessions.
    pub(crate) fn new(peer: Peer, address: SocketAddr) -> Self {
        Self(Rc::new(Shared {
            peer,
            address,
            clock: Clock::system(),
            frame: wire::audio(),
            slots: (0..SLOTS).map(|_| RefCell::default()).collect(),
            count: Cell::new(0),
            talks: Cell::new(false),
            tally: RefCell::default(),
        }))
    }

    /// Returns how many sessions were opened.
    pub(crate) fn len(&self) -> usize {
        self.0.count.get()
    }

    /// Lets all sessions send audio, or none.
    pub(crate) fn talk(&self, talks: bool) {
        self.0.talks.set(talks);
    }

    /// Opens sessions at a rate, however long each takes, and waits for all of them.
    pub(crate) async fn open(&self, count: usize, per_second: u32) -> Opened {
        let begun = Instant::now();
        let opened: Rc<RefCell<Latencies>> = Rc::default();
        let mut openings = Vec::with_capacity(count);
        for number in 0..u32::try_from(count).unwrap_or(u32::MAX) {
            sleep_until(begun + Duration::from_secs(1) * number / per_second).await;
            let (fleet, opened) = (self.clone(), Rc::clone(&opened));
            openings.push(spawn_local(async move { fleet.open_one(&opened).await }));
        }
        let mut failures = Vec::new();
        for opening in openings {
            match opening.await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => failures.push(failure),
                Err(panic) => failures.push(panic.into()),
            }
        }
        let latency = opened.borrow().figure();
        Opened { latency, failed: failures.len(), failure: failures.pop() }
    }

    async fn open_one(&self, opened: &RefCell<Latencies>) -> Result<(), Failure> {
        let shared = &self.0;
        let (session, hearing, took) =
            Session::open(shared.peer, shared.address, &shared.clock).await?;
        opened.borrow_mut().record(took);
        let number = shared.count.get();
        shared.count.set(number + 1);
        let session = Rc::new(session);
        shared.slots[number % SLOTS].borrow_mut().push(Rc::clone(&session));
        let fleet = self.clone();
        spawn_local(async move {
            let tell = |latency| fleet.0.tally.borrow_mut().pongs.record(latency);
            session.listen(hearing, tell).await;
            fleet.0.tally.borrow_mut().sessions_lost += u64::from(!session.is_closing());
        });
        Ok(())
    }

    /// Ends all sessions at once, and waits until the server has answered each.
    ///
    /// Returns each session's id with the moment at which its client closed it.
    pub(crate) async fn close(&self) -> Result<Vec<(String, Instant)>, Failure> {
        let shared = &self.0;
        let sessions: Vec<Rc<Session>> = shared
            .slots
            .iter()
            .flat_map(|slot| slot.borrow_mut().drain(..).collect::<Vec<_>>())
            .collect();
        shared.count.set(0);
        let mut closed = Vec::with_capacity(sessions.len());
        for session in &sessions {
            session.close();
            closed.push((session.id().to_owned(), Instant::now()));
        }
        let all_over = async {
            while !sessions.iter().all(|session| session.is_over()) {
                sleep(CLOSED_LOOK_EVERY).await;
            }
        };
        if timeout(CLOSED_WITHIN, all_over).await.is_err() {
            let open = sessions.iter().filter(|session| !session.is_over()).count();
            return Err(format!("{open} of {} sessions were not closed", sessions.len()).into());
        }
        Ok(closed)
    }

    /// Returns how many frames all open sessions have sent.
    pub(crate) fn frames(&self) -> u64 {
        let frames = |slot: &RefCell<Vec<Rc<Session>>>| -> u64 {
            slot.borrow().iter().map(|session| session.frames()).sum()
        };
        self.0.slots.iter().map(frames).sum()
    }

    /// Gives each session its turn, for ever.
    pub(crate) async fn run(&self) {
        let begun = Instant::now();
        for tick in 0_usize.. {
            let due = begun + Duration::from_millis(tick as u64);
            if Instant::now() < due {
                sleep_until(due).await;
            } else {
                // Behind, but answers are read all the same.
                yield_now().await;
            }
            self.0.tally.borrow_mut().lateness.record(due.elapsed());
            self.take_turns(tick);
        }
    }

    fn take_turns(&self, tick: usize) {
        let shared = &self.0;
        if shared.talks.get() {
            let mut held_back = 0;
            for session in shared.slots[tick % SLOTS].borrow().iter() {
                held_back += u64::from(session.send_frame(&shared.frame) == Sent::HeldBack);
            }
            if held_back > 0 {
                shared.tally.borrow_mut().frames_held_back += held_back;
            }
        }
        // Between two frames, as pings have nothing to do with them.
        let round = tick / SLOTS;
        let slot = shared.slots[(tick + SLOTS / 2) % SLOTS].borrow();
        for (place, session) in slot.iter().enumerate() {
            // Neighbours take different rounds, and so do neighbouring slots.
            if (place + tick + round).is_multiple_of(PING_EVERY)
                && !session.is_over()
                && let Some(age) = session.send_ping()
            {
                shared.tally.borrow_mut().pongs.record(age);
            }
        }
    }

    /// Returns what was measured since the last time, and begins anew.
    pub(crate) fn take_tally(&self) -> Tally {
        let mut tally = std::mem::take(&mut *self.0.tally.borrow_mut());
        for slot in &self.0.slots {
            for session in slot.borrow().iter().filter(|session| !session.is_over()) {
                if let Some(age) = session.waits_for_pong().filter(|age| *age > PING_OVERDUE) {
                    tally.pongs.record(age);
                }
            }
        }
        tally
    }
}
