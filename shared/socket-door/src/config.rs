//! What may be set of a door, and what may not: every limit with its reason.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sidetone_admission::{AdmissionConfig, Replays};
use sidetone_audiohook_proto::{REFUSAL_DELAY, SignaturePolicy};
use sidetone_listener::{GuardLimits, Shares, SourceRules};

/// The largest message, text or binary, fragments put together.
///
/// The client sends at most 64,000; its reference implementation caps frames at this.
pub const MESSAGE_BYTES_MAX: usize = 65_536;

/// What a session reads at once; it is held all the session long, so it is small.
pub const READ_BUFFER_BYTES: usize = 4_096;

/// How much may wait for a client that does not read: some hundred replies. Over that it is
/// cut off, as reading goes on whatever happens to writing.
pub const WRITE_QUEUE_BYTES_MAX: usize = 32 * 1_024;

/// What the kernel holds for a client that does not read. Replies are small and few, so it
/// shows soon whether they are taken.
pub(crate) const SEND_BUFFER_BYTES: usize = 32 * 1_024;

/// Connections that the kernel holds until they are accepted: five seconds of a burst of 800
/// a second.
pub(crate) const BACKLOG: i32 = 4_096;

/// Bytes of a request's head: three times what proxies usually let through of cookies.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1_024;

/// Refused handshakes of one source that are answered after the usual time: a wrong secret at
/// Genesys shows with every call, and is soon corrected.
pub(crate) const FAILURES_FREE: u32 = 50;

/// The longest that a refusal is held back, below what an upgrade may take.
pub(crate) const REFUSAL_DELAY_MAX: Duration = Duration::from_secs(8);

/// Headers of a request: the client sends about a dozen, proxies add as many.
pub(crate) const HEADERS_MAX: usize = 100;

/// How long the door waits before it accepts again when the process is out of something.
///
/// Units: real time.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// When the kernel first asks whether a silent peer is still there, and how often then: a
/// peer that vanished is noticed even where no deadline of the session runs.
pub(crate) const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// See [`KEEPALIVE_IDLE`].
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Messages of one socket before the session's other news gets its turn.
pub(crate) const STREAK_MAX: u32 = 32;

/// The least time between two timeouts that change nothing: a deadline that stays in the past
/// must not keep a processor busy.
pub(crate) const TIMER_STEP_MIN: Duration = Duration::from_millis(50);

/// How late a timer fires at least if this process did not run (it was suspended, or its machine
/// was), and how long a client is then read before its silence is judged.
pub(crate) const STALL_MIN: Duration = Duration::from_secs(1);

/// How a door works.
#[derive(Debug, Clone)]
pub struct DoorConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The path of the WebSocket.
    pub path: String,
    /// The authority that clients address, where a proxy in between rewrites `Host`.
    pub public_authority: Option<String>,
    /// What a proxy in between takes off the front of the path.
    pub public_path_prefix: Option<String>,
    /// Where used nonces are remembered.
    pub replays: Replays,
    /// How old a signature may be.
    pub signatures: SignaturePolicy,
    /// How much at once.
    pub limits: DoorLimits,
    /// What counts as one source of connections.
    pub sources: SourceRules,
    /// How long at most.
    pub pace: DoorPace,
}

impl Default for DoorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            path: "/audiohook/ws".to_owned(),
            public_authority: None,
            public_path_prefix: None,
            replays: Replays::default(),
            signatures: SignaturePolicy::default(),
            limits: DoorLimits::default(),
            sources: SourceRules::default(),
            pace: DoorPace::default(),
        }
    }
}

impl DoorConfig {
    /// Returns the limits of connections that have proved nothing yet.
    pub(crate) fn guard(&self) -> GuardLimits {
        GuardLimits {
            listener: "door",
            connections_max: self.limits.handshakes_max,
            connections_per_source_max: self.limits.handshakes_per_source_max,
            sources: self.sources.clone(),
            failures_free: FAILURES_FREE,
            delay_first: REFUSAL_DELAY,
            delay_longest: REFUSAL_DELAY_MAX,
        }
    }

    /// Returns what of it decides who may come in.
    pub(crate) fn admission(&self) -> AdmissionConfig {
        AdmissionConfig {
            public_authority: self.public_authority.clone(),
            public_path_prefix: self.public_path_prefix.clone(),
            replays: self.replays,
            signatures: self.signatures,
            key_within: self.pace.key_within,
            key_life: self.pace.key_life,
        }
    }
}

/// How much a door takes on at once.
#[derive(Debug, Clone, Copy)]
pub struct DoorLimits {
    /// Sessions; one more is turned away in the way that makes Genesys try again.
    pub sessions_max: usize,
    /// Connections that are not upgraded yet; at the limit the one that has been silent for the
    /// longest time is closed.
    pub handshakes_max: usize,
    /// Those of one source.
    pub handshakes_per_source_max: usize,
    /// Refusals that wait out their time; one more is closed at once, without an answer.
    pub refusals_max: usize,
    /// Clients being turned away; one more gets 503.
    pub turnaways_max: usize,
}

impl Default for DoorLimits {
    fn default() -> Self {
        Self {
            // Two cores at the 6,000 that one carries.
            sessions_max: 12_000,
            // What the backlog holds, once more.
            handshakes_max: 4_096,
            // Genesys dials from few addresses: more than a second of a burst of 800 a second.
            handshakes_per_source_max: 1_024,
            // 2,000 wrong guesses a second.
            refusals_max: 1_024,
            // Each lasts about a round trip.
            turnaways_max: 1_024,
        }
    }
}

impl DoorLimits {
    /// Returns limits that together stay within the file descriptors that the process may open.
    #[must_use]
    pub fn within(self, shares: Shares) -> Self {
        let handshakes_max = self.handshakes_max.min(shares.handshakes);
        Self {
            sessions_max: self.sessions_max.min(shares.sessions),
            handshakes_max,
            handshakes_per_source_max: self.handshakes_per_source_max.min(handshakes_max),
            refusals_max: self.refusals_max,
            turnaways_max: self.turnaways_max.min(shares.turnaways),
        }
    }
}

/// How long a door waits.
///
/// Units: the clock's time.
#[derive(Debug, Clone, Copy)]
pub struct DoorPace {
    /// For the whole head of a request, from its connection on.
    pub header_within: Duration,
    /// For the upgrade, from the connection on.
    pub upgrade_within: Duration,
    /// For one look-up of a key.
    pub key_within: Duration,
    /// How long a key that was read is believed.
    pub key_life: Duration,
    /// For running calls, once the door drains.
    pub drain_limit: Duration,
    /// For clients to take their leave, once they are told that the door shuts down.
    pub shutdown_grace: Duration,
    /// For sessions to be delivered to the end, once their sockets are gone.
    pub flush_limit: Duration,
}

impl Default for DoorPace {
    fn default() -> Self {
        Self {
            header_within: Duration::from_secs(5),
            upgrade_within: Duration::from_secs(10),
            key_within: Duration::from_secs(2),
            key_life: Duration::from_secs(60),
            // Fargate kills 120 s after SIGTERM; the three together stay below that.
            drain_limit: Duration::from_secs(105),
            shutdown_grace: Duration::from_secs(3),
            flush_limit: Duration::from_secs(9),
        }
    }
}
