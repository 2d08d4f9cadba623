//! Whoever keeps one notification channel open: socket first, then topics, and again whenever
//! something breaks.
//!
//! Where a channel must be replaced, the old socket is read until the new one has its topics,
//! so nothing is missed; what comes twice is harmless.
//! Source: docs/wire/notification.md, "Channels".

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sidetone_model::UserId;
use sidetone_notification_proto::Backoff;
use sidetone_ports::{Clock, chain};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::intake::Intake;
use super::socket::{News, Socket};
use crate::platform::{NotificationChannel, PlatformClient, PlatformError};
use crate::status::StatusBoard;

/// How long a socket must last before its channel counts as sound.
const SOUND_AFTER: Duration = Duration::from_secs(10);

/// How long an old socket is read after its successor has its topics.
const OVERLAP: Duration = Duration::from_secs(3);

/// How often the platform is asked whether the channel still exists: a socket may be open and
/// beat while its subscriptions are gone.
const CHECK_EVERY: Duration = Duration::from_secs(300);

/// How long to wait where only a person can help.
const MISCONFIGURED_WAIT: Duration = Duration::from_secs(120);

/// How long an orderly farewell may take.
const FAREWELL_WITHIN: Duration = Duration::from_secs(2);

/// One place of the plan.
pub(crate) struct Holder {
    /// Which place.
    pub(crate) place: usize,
    pub(crate) platform: PlatformClient,
    pub(crate) clock: Clock,
    /// Whose conversations belong here.
    pub(crate) users: watch::Receiver<BTreeSet<UserId>>,
    pub(crate) intake: Intake,
    pub(crate) board: StatusBoard,
    /// Held while a channel is made: many at once are refused.
    pub(crate) making: Arc<Mutex<()>>,
    pub(crate) stop: CancellationToken,
}

/// A channel with an open socket that has its topics.
struct Open {
    channel: NotificationChannel,
    socket: Socket,
}

/// Why a socket is served no more.
enum Outcome {
    /// The socket is gone; the channel may be good.
    Lost,
    /// Another channel must take its place; the socket still works.
    Replace { renew_token: bool },
    /// The tracker stops.
    Stopped,
}

/// Why there is no socket with topics.
enum Failure {
    /// The channel is no good any more.
    ChannelGone,
    /// Try again later.
    Passing(String),
    /// Try again when a person had time to act.
    Misconfigured(String),
}

impl Holder {
    /// Holds the channel until told to stop.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => return,
            nobody = self.users.wait_for(|users| !users.is_empty()) => {
                if nobody.is_err() {
                    return;
                }
            }
        }
        let mut backoff = Backoff::default();
        let mut kept: Option<NotificationChannel> = None;
        // Read on until its successor is there.
        let mut old: Option<Open> = None;
        while !stop.is_cancelled() {
            let attempt = tokio::select! {
                () = stop.cancelled() => break,
                attempt = self.open(&mut kept) => attempt,
            };
            let open = match attempt {
                Ok(open) => open,
                Err(failure) => {
                    self.settle(failure, &mut backoff, &mut kept).await;
                    continue;
                }
            };
            self.retire(old.take());
            let opened_at = self.clock.now();
            self.note_open(&open);
            let Open { channel, mut socket } = open;
            let outcome = tokio::select! {
                () = stop.cancelled() => Outcome::Stopped,
                outcome = self.serve(&channel, &mut socket) => outcome,
            };
            let was_sound = self.clock.now().since(opened_at) >= SOUND_AFTER;
            if was_sound {
                backoff.succeeded();
            }
            match outcome {
                Outcome::Lost => {
                    self.note_closed("the notification socket was lost");
                    kept = Some(channel);
                    self.wait(&mut backoff, &mut kept).await;
                }
                Outcome::Replace { renew_token } => {
                    if renew_token {
                        self.renew_token(&channel).await;
                    }
                    old = Some(Open { channel, socket });
                    if !was_sound {
                        // Channels that are refused as soon as they are made.
                        self.wait(&mut backoff, &mut kept).await;
                    }
                }
                Outcome::Stopped => {
                    let farewell = self.platform.clear_topics(&channel);
                    drop(self.clock.timeout(FAREWELL_WITHIN, farewell).await);
                    break;
                }
            }
        }
        self.note_closed("the tracker stops");
    }

    /// Makes a channel if there is none, opens its socket, then sets its topics.
    async fn open(&self, kept: &mut Option<NotificationChannel>) -> Result<Open, Failure> {
        let channel = match kept.take() {
            Some(channel) if self.clock.now() < channel.replace_at => channel,
            Some(_) | None => {
                let _alone = self.making.lock().await;
                self.platform.create_channel().await?
            }
        };
        let address = &channel.connect_uri;
        let opening =
            Socket::open(address, self.clock, self.intake.clone(), self.board.clone()).await;
        let socket = match opening {
            Ok(socket) => socket,
            Err(error) if error.is_channel_gone() => {
                tracing::warn!(place = self.place, %error, "notification channel gone");
                return Err(Failure::ChannelGone);
            }
            Err(error) => {
                *kept = Some(channel);
                return Err(Failure::Passing(error.to_string()));
            }
        };
        match self.subscribe(&channel).await {
            Ok(()) => Ok(Open { channel, socket }),
            Err(error) if error.is_gone() => Err(Failure::ChannelGone),
            Err(error) => {
                *kept = Some(channel);
                Err(error.into())
            }
        }
    }

    async fn subscribe(&self, channel: &NotificationChannel) -> Result<(), PlatformError> {
        let users = self.users.borrow().clone();
        let rejected = self.platform.put_topics(channel, &users).await?;
        for topic in &rejected {
            let permissions = topic.missing_permissions.join(", ");
            tracing::warn!(user = %topic.user, permissions, "Genesys gives no events of this user");
        }
        self.board.edit(|status| {
            status.rejected.insert(self.place, rejected.len());
        });
        Ok(())
    }

    async fn renew_token(&self, channel: &NotificationChannel) {
        let renewed = tokio::select! {
            () = self.stop.cancelled() => return,
            renewed = self.platform.renew_token(channel) => renewed,
        };
        if let Err(error) = renewed {
            tracing::warn!(place = self.place, error = chain(&error), "no new token");
        }
    }

    async fn serve(&mut self, channel: &NotificationChannel, socket: &mut Socket) -> Outcome {
        let mut check_at = self.clock.now() + CHECK_EVERY;
        loop {
            tokio::select! {
                news = socket.news.recv() => match news {
                    None | Some(News::Ended(_)) => {
                        tracing::info!(place = self.place, ?news, "notification socket ended");
                        return Outcome::Lost;
                    }
                    Some(News::Closing | News::Unsubscribed | News::ChannelGone) => {
                        tracing::info!(place = self.place, ?news, "notification channel replaced");
                        return Outcome::Replace { renew_token: false };
                    }
                    Some(News::TokenRevoked) => {
                        tracing::warn!(place = self.place, "token revoked");
                        return Outcome::Replace { renew_token: true };
                    }
                },
                changed = self.users.changed() => {
                    if changed.is_err() {
                        return Outcome::Stopped;
                    }
                    if let Err(error) = self.subscribe(channel).await {
                        tracing::warn!(place = self.place, error = chain(&error), "not subscribed");
                        return Outcome::Replace { renew_token: false };
                    }
                }
                () = self.clock.sleep_until(channel.replace_at) => {
                    return Outcome::Replace { renew_token: false };
                }
                () = self.clock.sleep_until(check_at) => {
                    check_at = self.clock.now() + CHECK_EVERY;
                    match self.platform.channel_exists(channel).await {
                        Ok(true) => {}
                        Ok(false) => {
                            tracing::warn!(place = self.place, "notification channel gone");
                            return Outcome::Replace { renew_token: false };
                        }
                        // The socket works; whether the platform answers is another matter.
                        Err(error) => tracing::warn!(error = chain(&error), "channel not checked"),
                    }
                }
            }
        }
    }

    /// Waits as a failure demands.
    async fn settle(
        &self,
        failure: Failure,
        backoff: &mut Backoff,
        kept: &mut Option<NotificationChannel>,
    ) {
        metrics::counter!("sidetone_notification_connect_failures_total").increment(1);
        match failure {
            Failure::ChannelGone => *kept = None,
            Failure::Passing(problem) => {
                tracing::warn!(place = self.place, problem, "no notification socket");
                self.note_closed(&problem);
            }
            Failure::Misconfigured(problem) => {
                tracing::error!(place = self.place, problem, "no notification socket");
                self.note_closed(&problem);
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = self.clock.sleep(MISCONFIGURED_WAIT) => {}
                }
                return;
            }
        }
        self.wait(backoff, kept).await;
    }

    async fn wait(&self, backoff: &mut Backoff, kept: &mut Option<NotificationChannel>) {
        let wait = backoff.failed(jitter());
        if backoff.wants_new_channel() {
            *kept = None;
        }
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.clock.sleep(wait) => {}
        }
    }

    /// Lets an old socket be read a little longer, then closes it and empties its channel.
    fn retire(&self, old: Option<Open>) {
        let Some(Open { channel, socket }) = old else { return };
        let (clock, platform, stop) = (self.clock, self.platform.clone(), self.stop.clone());
        tokio::spawn(async move {
            let retirement = async {
                clock.sleep(OVERLAP).await;
                drop(socket);
                if let Err(error) = platform.clear_topics(&channel).await {
                    // It is gone, or the first to go when there are too many.
                    tracing::debug!(error = chain(&error), "old channel not emptied");
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = retirement => {}
            }
        });
    }

    fn note_open(&self, open: &Open) {
        let topics = self.users.borrow().len();
        tracing::info!(place = self.place, topics, "notification socket open");
        metrics::counter!("sidetone_notification_sockets_opened_total").increment(1);
        self.board.edit(|status| {
            status.channels.insert(self.place, open.channel.made_at);
            if status.is_connected() {
                status.problem = None;
            }
        });
    }

    fn note_closed(&self, problem: &str) {
        self.board.edit(|status| {
            status.channels.remove(&self.place);
            status.problem = Some(problem.to_owned());
        });
    }
}

impl From<PlatformError> for Failure {
    fn from(error: PlatformError) -> Self {
        let problem = chain(&error);
        if error.is_misconfiguration() {
            Self::Misconfigured(problem)
        } else {
            Self::Passing(problem)
        }
    }
}

/// Returns a random fraction from 0 to 1, so that many trackers do not try in step.
fn jitter() -> f64 {
    let (_, low) = Uuid::new_v4().as_u64_pair();
    f64::from(u32::try_from(low & 0xFFFF_FFFF).unwrap_or(0)) / f64::from(u32::MAX)
}
