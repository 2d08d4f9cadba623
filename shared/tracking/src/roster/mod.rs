//! Who is who: from the UUIDs of call events to the people whom an administrator provisioned.
//!
//! Refuses to guess: two Genesys users with one local part are attributed to nobody, and said.
//! Source: docs/wire/notification.md, "Users".

mod directory;

pub(crate) use directory::Directory;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use sidetone_model::{Attribution, NotOurs, OrganizationId, Timestamp, User, UserId};
use sidetone_ports::{Clock, Revision, StoreError, UserStore, chain};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::platform::{PlatformClient, PlatformError};
use crate::status::StatusBoard;
use directory::LookUp;

/// The most users that wait to be looked up; more are asked for again when next seen.
const LOOK_UPS_MAX: usize = 1_000;

/// How long look-ups are gathered before they are asked for together.
const GATHER: Duration = Duration::from_millis(200);

/// Why the roster could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// Genesys did not list its users.
    #[error("the Genesys users could not be listed")]
    Platform(#[from] PlatformError),
    /// The users table could not be read.
    #[error("the provisioned users could not be read")]
    Store(#[from] StoreError),
}

/// The organization's Genesys users joined with its provisioned users.
#[derive(Debug)]
pub(crate) struct Roster<S> {
    organization: OrganizationId,
    platform: PlatformClient,
    store: S,
    clock: Clock,
    directory: RwLock<Directory>,
    /// The commit that the provisioned users in the directory are of, or an earlier one.
    provisioned_at: AtomicU64,
    /// When it was asked last whether that is the latest commit; microseconds.
    asked_at: AtomicI64,
    version: watch::Sender<u64>,
    wanted: mpsc::Sender<UserId>,
    board: StatusBoard,
}

/// The look-ups that a roster was asked for; [`Roster::run`] takes them.
pub(crate) type LookUps = mpsc::Receiver<UserId>;

/// How often a roster looks again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Periods {
    /// At the provisioned users.
    pub(crate) refresh: Duration,
    /// At the Genesys users.
    pub(crate) relist: Duration,
}

impl<S: UserStore> Roster<S> {
    pub(crate) fn new(
        organization: OrganizationId,
        platform: PlatformClient,
        store: S,
        clock: Clock,
        board: StatusBoard,
    ) -> (Arc<Self>, LookUps) {
        let (wanted, look_ups) = mpsc::channel(LOOK_UPS_MAX);
        let roster = Self {
            organization,
            platform,
            store,
            clock,
            directory: RwLock::default(),
            provisioned_at: AtomicU64::new(0),
            asked_at: AtomicI64::new(0),
            version: watch::Sender::new(0),
            wanted,
            board,
        };
        (Arc::new(roster), look_ups)
    }

    /// Returns who a Genesys user is, as far as is known at this moment.
    ///
    /// Waits for nothing: an unknown user is [`NotOurs::LookupFailed`] until Genesys was
    /// asked, and [`Roster::changes`] tells when that was.
    pub(crate) fn attribution(&self, user: UserId) -> Attribution {
        let now = self.clock.steady();
        if let Some(attribution) = self.read().attribution(user, now) {
            return attribution;
        }
        let mut directory = self.write();
        if directory.is_wanted(user, now) && self.wanted.try_send(user).is_ok() {
            directory.note(user, LookUp::Pending);
        }
        Attribution::NotOurs(NotOurs::LookupFailed)
    }

    /// Returns when it was asked last who is provisioned: moves before that are known here.
    pub(crate) fn asked_at(&self) -> Timestamp {
        Timestamp::from_micros(self.asked_at.load(Ordering::Acquire))
    }

    /// Returns whose conversations to follow.
    pub(crate) fn followed(&self) -> BTreeSet<UserId> {
        self.read().followed()
    }

    /// Tells of every change; the number itself means nothing.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Lists the Genesys users and reads the provisioned ones.
    pub(crate) async fn relist(&self) -> Result<(), RosterError> {
        let listed = self.platform.users().await?;
        let asked_at = self.clock.now();
        let (revision, provisioned) = self.provisioned().await?;
        let changed = {
            let mut directory = self.write();
            let listed = directory.put_listed(&listed);
            directory.put_provisioned(&provisioned) || listed
        };
        self.note_asked(asked_at, revision);
        self.tell(changed);
        Ok(())
    }

    fn note_asked(&self, at: Timestamp, revision: Revision) {
        self.provisioned_at.store(revision, Ordering::Release);
        self.asked_at.store(at.as_micros(), Ordering::Release);
    }

    /// Reads the provisioned users, and first the commit that they are of at least.
    async fn provisioned(&self) -> Result<(Revision, Vec<User>), StoreError> {
        let revision = self.store.user_revision(self.organization).await?;
        Ok((revision, self.store.users(self.organization).await?))
    }

    /// Reads the provisioned users if there was a commit since they were read; lists the Genesys users too if somebody among the
    /// provisioned is new and not found there.
    async fn refresh(&self) -> Result<(), RosterError> {
        let asked_at = self.clock.now();
        let known = self.provisioned_at.load(Ordering::Acquire);
        if self.store.user_revision(self.organization).await? == known {
            self.note_asked(asked_at, known);
            return Ok(());
        }
        let before = self.read().missing();
        let (revision, provisioned) = self.provisioned().await?;
        let changed = self.write().put_provisioned(&provisioned);
        self.note_asked(asked_at, revision);
        self.tell(changed);
        if self.read().missing().iter().any(|agent| !before.contains(agent)) {
            self.relist().await?;
        }
        Ok(())
    }

    /// Keeps the roster up to date until told to stop.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut look_ups: LookUps,
        periods: Periods,
        stop: CancellationToken,
    ) {
        let mut refresh_at = self.clock.steady() + periods.refresh;
        let mut relist_at = self.clock.steady() + periods.relist;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(user) = look_ups.recv() => {
                    self.clock.sleep(GATHER).await;
                    let mut users = BTreeSet::from([user]);
                    while let Ok(user) = look_ups.try_recv() {
                        users.insert(user);
                    }
                    // A stop need not wait for Genesys.
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = self.look_up(users.into_iter().collect()) => {}
                    }
                }
                () = self.clock.sleep_until(refresh_at.min(relist_at)) => {
                    let whole = self.clock.steady() >= relist_at;
                    let outcome = tokio::select! {
                        () = stop.cancelled() => return,
                        outcome = self.renew(whole) => outcome,
                    };
                    if let Err(error) = outcome {
                        // What is known stays in force; it is tried again next time.
                        tracing::warn!(error = chain(&error), "roster not refreshed");
                        metrics::counter!("sidetone_roster_failures_total").increment(1);
                    } else if whole {
                        relist_at = self.clock.steady() + periods.relist;
                    }
                    refresh_at = self.clock.steady() + periods.refresh;
                    if relist_at <= self.clock.steady() {
                        relist_at = refresh_at;
                    }
                }
            }
        }
    }

    /// Brings everybody up to date, or the provisioned users alone.
    pub(crate) async fn renew(&self, whole: bool) -> Result<(), RosterError> {
        if whole { self.relist().await } else { self.refresh().await }
    }

    /// Returns whether Genesys should be asked for a user.
    pub(crate) fn is_wanted(&self, user: UserId) -> bool {
        self.read().is_wanted(user, self.clock.steady())
    }

    /// Asks Genesys for users by their ids.
    pub(crate) async fn look_up(&self, users: Vec<UserId>) {
        metrics::counter!("sidetone_roster_look_ups_total").increment(users.len() as u64);
        let mut missing: BTreeSet<UserId> = users.iter().copied().collect();
        if users.len() > 1 {
            match self.platform.users_by_id(&users).await {
                Ok(found) => {
                    for user in found {
                        missing.remove(&user.id);
                        self.write().note(user.id, LookUp::found(&user, self.clock.steady()));
                    }
                }
                Err(error) => tracing::warn!(%error, "users not looked up together"),
            }
        }
        for user in missing {
            let look_up = match self.platform.user(user).await {
                Ok(Some(found)) => LookUp::found(&found, self.clock.steady()),
                Ok(None) => LookUp::nobody(self.clock.steady()),
                Err(error) => {
                    tracing::warn!(%user, %error, "user not looked up");
                    LookUp::failed(self.clock.steady())
                }
            };
            self.write().note(user, look_up);
        }
        self.tell(true);
    }

    fn tell(&self, changed: bool) {
        if !changed {
            return;
        }
        let (collisions, followed) = {
            let mut directory = self.write();
            for (agent, users) in directory.fresh_collisions() {
                tracing::warn!(
                    %agent,
                    users = ?users.iter().map(UserId::to_string).collect::<Vec<_>>(),
                    "Genesys users have one local part; their calls are attributed to nobody"
                );
            }
            (directory.collisions().len(), directory.followed().len())
        };
        metrics::gauge!("sidetone_roster_collisions_agents").set(count(collisions));
        metrics::gauge!("sidetone_roster_followed_users").set(count(followed));
        self.board.edit(|status| {
            status.followed = followed;
            status.collisions = collisions;
        });
        self.version.send_modify(|version| *version += 1);
    }

    fn read(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge of a count far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}
