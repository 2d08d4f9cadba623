//! Whoever keeps one notification channel open: socket first, then topics, and again whenever
//! something breaks.
//!
//! Where a channel must be replaced, the old socket is read until the new one has its topics,
//! so nothing is missed; what comes twice is harmless.
//! Source: docs/wire/notification.md, "Channels".

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sidetone_model::{Timestamp, UserId};
use sidetone_notification_proto::Backoff;
use sidetone_ports::{Clock, chain};
use tokio::sync::watch;
use uuid::Uuid;

use super::intake::Intake;
use super::pace::Pace;
use super::socket::{News, Socket};
use crate::backlog::Sure;
use crate::lease::{Mandate, Tenure};
use crate::platform::{NotificationChannel, PlatformClient, PlatformError};
use crate::status::StatusBoard;

/// How long a socket must last before its channel counts as sound.
const SOUND_AFTER: Duration = Duration::from_secs(10);

/// How long an old socket is read after its successor has its topics.
const OVERLAP: Duration = Duration::from_secs(3);

/// How often the platform is asked whether the channel still exists: a socket may be open and
/// beat while its subscriptions are gone.
const CHECK_EVERY: Duration = Duration::from_secs(300);

/// Every how many of these checks its topics are compared with those that were set, too: a
/// quarter of an hour, as their list is long.
const CHECKS_PER_COMPARISON: u32 = 3;

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
    /// Whose turn it is to make a channel: many at once are refused.
    pub(crate) making: Arc<Pace>,
    pub(crate) tenure: Tenure,
    /// Since when perhaps nobody listens to these users.
    pub(crate) deaf_since: Timestamp,
    /// Until when somebody certainly did, once somebody does.
    pub(crate) sure: Sure,
    /// Whose topics Genesys would not give.
    pub(crate) rejected: BTreeSet<UserId>,
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
    /// The tracker stops, or another manages the channels and this one can be read no more.
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
    /// Holds the channel until told to stop. Once another manages the channels, it is read as
    /// long as it goes by itself.
    pub(crate) async fn run(mut self) {
        let stop = self.tenure.stop().clone();
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
        while !stop.is_cancelled() && self.tenure.may_manage() {
            let tenure = self.tenure.clone();
            let attempt = tokio::select! {
                () = stop.cancelled() => break,
                () = tenure.managing_ends() => break,
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
            let (opened_at, begun) = (self.clock.now(), self.clock.steady());
            self.note_open(&open);
            let Open { channel, mut socket } = open;
            let outcome = tokio::select! {
                () = stop.cancelled() => Outcome::Stopped,
                outcome = self.serve(&channel, &mut socket) => outcome,
            };
            let was_sound = self.clock.steady().since(begun) >= SOUND_AFTER;
            if was_sound {
                backoff.succeeded();
            }
            self.deaf_since = self.sure.since().unwrap_or(opened_at);
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
                    self.leave(&channel).await;
                    break;
                }
            }
        }
        self.note_closed("the tracker stops");
    }

    /// Leaves a channel empty, so that it is the first to go when there are too many. Genesys
    /// has no way to delete one.
    async fn leave(&self, channel: &NotificationChannel) {
        match self.tenure.mandate() {
            Mandate::Manage | Mandate::Listen => {
                let farewell = self.platform.clear_topics(channel);
                drop(self.clock.timeout(FAREWELL_WITHIN, farewell).await);
            }
            // Not a request more.
            Mandate::Nothing => {}
        }
    }

    /// Makes a channel if there is none, opens its socket, then sets its topics.
    async fn open(&mut self, kept: &mut Option<NotificationChannel>) -> Result<Open, Failure> {
        let channel = match kept.take() {
            Some(channel) if self.clock.steady() < channel.replace_at => channel,
            Some(_) | None => {
                self.making.in_turn(self.clock, self.platform.create_channel()).await?
            }
        };
        let address = &channel.connect_uri;
        let (intake, board, sure) = (self.intake.clone(), self.board.clone(), self.sure.clone());
        let socket = match Socket::open(address, self.clock, intake, board, sure).await {
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

    async fn subscribe(&mut self, channel: &NotificationChannel) -> Result<(), PlatformError> {
        let users = self.users.borrow().clone();
        let rejected = self.platform.put_topics(channel, &users).await?;
        for topic in &rejected {
            let permissions = topic.missing_permissions.join(", ");
            tracing::warn!(user = %topic.user, permissions, "Genesys gives no events of this user");
        }
        self.board.edit(|status| {
            status.rejected.insert(self.place, rejected.len());
        });
        self.rejected = rejected.into_iter().map(|topic| topic.user).collect();
        Ok(())
    }

    /// Sees whether the channel has what it was given, and gives it again if not.
    async fn compare(&mut self, channel: &NotificationChannel) -> Result<(), PlatformError> {
        let there = self.platform.topics(channel).await?;
        let wanted = self.users.borrow().clone();
        let missing = wanted.difference(&there).filter(|user| !self.rejected.contains(user));
        let missing = missing.count();
        if missing > 0 {
            tracing::warn!(place = self.place, missing, "Genesys has lost topics");
            metrics::counter!("sidetone_topics_lost_total").increment(missing as u64);
            self.subscribe(channel).await?;
            self.intake.missed_since(self.clock.now() - CHECK_EVERY * CHECKS_PER_COMPARISON);
        }
        Ok(())
    }

    /// Asks whether the channel still exists, and now and then for its topics as well.
    async fn check(&mut self, channel: &NotificationChannel, number: u32) -> bool {
        let asked_at = self.clock.now();
        let checked = if number.is_multiple_of(CHECKS_PER_COMPARISON) {
            match self.compare(channel).await {
                Err(error) if error.is_gone() => Ok(false),
                compared => compared.map(|()| true),
            }
        } else {
            self.platform.channel_exists(channel).await
        };
        if let Ok(true) = checked {
            self.intake.is_sure(&self.sure, asked_at);
        }
        // The socket works; whether the platform answers is another matter.
        checked.unwrap_or_else(|error| {
            tracing::warn!(error = chain(&error), "channel not checked");
            true
        })
    }

    async fn renew_token(&self, channel: &NotificationChannel) {
        let renewed = tokio::select! {
            () = self.tenure.stop().cancelled() => return,
            () = self.tenure.managing_ends() => return,
            renewed = self.platform.renew_token(channel) => renewed,
        };
        if let Err(error) = renewed {
            tracing::warn!(place = self.place, error = chain(&error), "no new token");
        }
    }

    async fn serve(&mut self, channel: &NotificationChannel, socket: &mut Socket) -> Outcome {
        let replaced = Outcome::Replace { renew_token: false };
        let tenure = self.tenure.clone();
        let mut manages = tenure.may_manage();
        let mut check_at = self.clock.steady() + CHECK_EVERY;
        let mut checks = 0;
        loop {
            tokio::select! {
                news = socket.news.recv() => return self.outcome_of(news),
                () = tenure.managing_ends(), if manages => manages = false,
                changed = self.users.changed(), if manages => {
                    if changed.is_err() {
                        return Outcome::Stopped;
                    }
                    if let Err(error) = self.subscribe(channel).await {
                        tracing::warn!(place = self.place, error = chain(&error), "not subscribed");
                        return replaced;
                    }
                    // Whoever came may be on a call, of which no event comes before it changes.
                    self.intake.missed_since(self.clock.now());
                }
                () = self.clock.sleep_until(channel.replace_at), if manages => return replaced,
                () = self.clock.sleep_until(check_at), if manages => {
                    check_at = self.clock.steady() + CHECK_EVERY;
                    checks += 1;
                    if !self.check(channel, checks).await {
                        tracing::warn!(place = self.place, "notification channel gone");
                        return replaced;
                    }
                }
            }
        }
    }

    fn outcome_of(&self, news: Option<News>) -> Outcome {
        match news {
            None | Some(News::Ended(_)) => {
                tracing::info!(place = self.place, ?news, "notification socket ended");
                Outcome::Lost
            }
            Some(News::Closing | News::Unsubscribed | News::ChannelGone) => {
                tracing::info!(place = self.place, ?news, "notification channel replaced");
                Outcome::Replace { renew_token: false }
            }
            Some(News::TokenRevoked) => {
                tracing::warn!(place = self.place, "token revoked");
                Outcome::Replace { renew_token: true }
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
                self.pause(MISCONFIGURED_WAIT).await;
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
        self.pause(wait).await;
    }

    /// Waits, unless there is nothing more to wait for.
    async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = self.tenure.stop().cancelled() => {}
            () = self.tenure.managing_ends() => {}
            () = self.clock.sleep(wait) => {}
        }
    }

    /// Lets an old socket be read a little longer, then closes it and empties its channel.
    fn retire(&self, old: Option<Open>) {
        let Some(Open { channel, socket }) = old else { return };
        let (clock, platform) = (self.clock, self.platform.clone());
        let stop = self.tenure.stop().clone();
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
        // In this order, so that there is no moment without either.
        self.intake.missed_since(self.deaf_since);
        self.intake.is_sure(&self.sure, self.clock.now());
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
