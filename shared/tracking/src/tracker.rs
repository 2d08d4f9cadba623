//! The tracker: signs in, keeps the roster, plans the channels, runs the workers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sidetone_model::{OrganizationId, Timestamp, UserId};
use sidetone_notification_proto::{Backoff, CHANNELS_PER_CLIENT_MAX, ChannelPlan};
use sidetone_ports::{CallStore, Clock, Mailbox, RecordSink, UserStore, chain};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::backlog::{Backlog, Sure};
use crate::channel::{HEARD_MAX, Heard, Holder, Intake, Pace};
use crate::clients::{OAuthClient, admit};
use crate::lease::Tenure;
use crate::legs::{Lags, Means, Seen, WORKERS, Worker};
use crate::platform::{Hosts, PlatformClient, PlatformError};
use crate::repair::{Gaps, Mark, Mender, keep_mark};
use crate::report::keep_report;
use crate::roster::{Periods, Roster};
use crate::secret::Secret;
use crate::status::{StatusBoard, TrackerStatus};

/// How long to wait before asking again where only a person can help.
const MISCONFIGURED_WAIT: Duration = Duration::from_secs(120);

/// What a tracker must be told.
#[derive(Debug, Clone)]
pub struct TrackerConfig {
    /// Where Genesys is.
    pub hosts: Hosts,
    /// The OAuth client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// Further OAuth clients of the same organization: each follows as many agents as the
    /// first one, with a rate limit of its own.
    pub more_clients: Vec<OAuthClient>,
    /// The organization that the client must belong to; without one, whichever it does.
    pub organization: Option<OrganizationId>,
    /// How often it is looked whether the provisioned users have changed.
    pub refresh: Duration,
    /// How often the Genesys users are listed again; a new provisioned user whom Genesys has
    /// not listed is looked for at the next refresh.
    pub relist: Duration,
    /// What to do where Genesys refuses the OAuth client.
    pub refused: Refused,
}

/// What a tracker does where its OAuth client is refused, or another organization's: a person
/// must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refused {
    /// Tries again every two minutes.
    #[default]
    Wait,
    /// Ends, so that the next one reads the secret anew.
    End,
}

impl TrackerConfig {
    /// A move between adaptors is to take effect within a minute, with what follows of it; as
    /// long as nothing changes, a look reads one number.
    pub const REFRESH_DEFAULT: Duration = Duration::from_secs(15);
    /// Names hardly change, and 10,000 users are 20 requests.
    pub const RELIST_DEFAULT: Duration = Duration::from_secs(600);

    /// Describes a tracker with the usual periods.
    pub fn new(hosts: Hosts, client_id: impl Into<String>, client_secret: Secret) -> Self {
        Self {
            hosts,
            client_id: client_id.into(),
            client_secret,
            more_clients: Vec::new(),
            organization: None,
            refresh: Self::REFRESH_DEFAULT,
            relist: Self::RELIST_DEFAULT,
            refused: Refused::default(),
        }
    }

    /// Adds an OAuth client of the same organization.
    #[must_use]
    pub fn with_client(mut self, id: impl Into<String>, secret: Secret) -> Self {
        self.more_clients.push(OAuthClient { id: id.into(), secret });
        self
    }

    /// Returns all OAuth clients, the first one first.
    fn clients(&self) -> impl Iterator<Item = OAuthClient> {
        let first = OAuthClient { id: self.client_id.clone(), secret: self.client_secret.clone() };
        std::iter::once(first).chain(self.more_clients.iter().cloned())
    }
}

/// Why a tracker stopped without being told to.
#[derive(Debug, thiserror::Error)]
pub enum TrackerError {
    /// TLS cannot be set up.
    #[error("the platform client could not be made")]
    Client(#[source] PlatformError),
    /// Genesys refused the OAuth client, and the tracker was to end then.
    #[error("not signed in to Genesys")]
    Refused(#[source] PlatformError),
    /// The OAuth client belongs to another organization, and the tracker was to end then.
    #[error("the OAuth client belongs to organization {found}, not to {expected}")]
    Foreign {
        /// The organization that it was entered for.
        expected: OrganizationId,
        /// Whose it is.
        found: OrganizationId,
    },
    /// One of its tasks panicked: a bug.
    #[error("a task of the tracker died")]
    TaskDied(#[source] JoinError),
}

/// Follows the calls of an organization's agents and keeps their legs in the store.
pub struct Tracker<S, R> {
    config: TrackerConfig,
    clock: Clock,
    store: S,
    sink: R,
    /// The one who also lists users and looks gaps through.
    platform: PlatformClient,
    /// By OAuth client, the first one among them.
    platforms: Vec<PlatformClient>,
    board: StatusBoard,
    lags: Lags,
}

/// The tasks of a running tracker.
struct Running {
    tasks: JoinSet<()>,
    plan: ChannelPlan,
    /// By place in the plan; one whose OAuth client is not admitted yet has none.
    holders: BTreeMap<usize, watch::Sender<BTreeSet<UserId>>>,
    /// The places for which there were clients when it was last looked.
    places: BTreeSet<usize>,
}

/// What every holder of a channel is given.
struct Parts {
    intake: Intake,
    making: Arc<Pace>,
    tenure: Tenure,
    /// Up to when somebody heard everything.
    heard_until: Timestamp,
}

impl<S, R> Tracker<S, R>
where
    S: CallStore + UserStore + Mailbox,
    R: RecordSink,
{
    /// Prepares a tracker; asks nothing.
    ///
    /// Errors: [`TrackerError::Client`] if TLS cannot be set up on this machine.
    pub fn new(
        config: TrackerConfig,
        clock: Clock,
        store: S,
        sink: R,
    ) -> Result<Self, TrackerError> {
        let client = |one: OAuthClient| {
            let made = PlatformClient::new(config.hosts.clone(), one.id, one.secret, clock);
            made.map_err(TrackerError::Client)
        };
        let platforms = config.clients().map(client).collect::<Result<Vec<_>, _>>()?;
        let platform = platforms[0].clone();
        let (board, lags) = (StatusBoard::new(), Lags::default());
        Ok(Self { config, clock, store, sink, platform, platforms, board, lags })
    }

    /// Notes in `lags` how late events are.
    #[must_use]
    pub fn measured_by(self, lags: Lags) -> Self {
        Self { lags, ..self }
    }

    /// Returns where to see how it is doing.
    pub fn status(&self) -> watch::Receiver<TrackerStatus> {
        self.board.watch()
    }

    /// Tracks until told to stop. Whatever Genesys or the store do, it goes on trying.
    ///
    /// Errors: [`TrackerError::TaskDied`] for a bug, everything was stopped then;
    /// [`TrackerError::Refused`] and [`TrackerError::Foreign`] if it is to end where Genesys
    /// refuses its OAuth client or names another organization.
    pub async fn run(self, stop: CancellationToken) -> Result<(), TrackerError> {
        self.run_under(Tenure::undisputed(stop)).await
    }

    /// Tracks as long as a tenure lasts, and manages notification channels as long as it says.
    ///
    /// Errors: as [`Tracker::run`].
    pub async fn run_under(self, tenure: Tenure) -> Result<(), TrackerError> {
        let stop = tenure.stop().clone();
        let Some(organization) = self.sign_in(&stop).await? else { return Ok(()) };
        let (roster, look_ups) = Roster::new(
            organization,
            self.platform.clone(),
            self.store.clone(),
            self.clock,
            self.board.clone(),
        );
        let mut changes = roster.changes();
        if !self.first_listing(&roster, &stop).await {
            return Ok(());
        }
        // One of ours, so that all can be stopped when one dies.
        let inner = tenure.child();
        let _stop_all = inner.stop().clone().drop_guard();
        let mut running = Running {
            tasks: JoinSet::new(),
            plan: ChannelPlan::default(),
            holders: BTreeMap::new(),
            places: BTreeSet::new(),
        };
        let (board, tasks) = (&self.board, &mut running.tasks);
        let mut admitted =
            admit(&self.platforms, organization, self.clock, board, inner.stop(), tasks);
        let (gaps, backlog) = (Gaps::new(), Backlog::default());
        let intake = Intake::new(
            self.start_workers(organization, &roster, &inner, &backlog, &mut running),
            backlog.clone(),
            gaps.clone(),
        );
        let periods = Periods { refresh: self.config.refresh, relist: self.config.relist };
        running.tasks.spawn(roster.clone().run(look_ups, periods, inner.stop().clone()));
        let mark = Mark::new(self.store.clone(), self.clock, organization);
        let heard_until = mark.read().await;
        tracing::info!(%heard_until, "events were heard until then");
        let (board, stopped) = (self.board.clone(), inner.stop().clone());
        let report = keep_report(self.store.clone(), self.clock, organization, board, stopped);
        running.tasks.spawn(report);
        let mender = Mender {
            platform: self.platform.clone(),
            clock: self.clock,
            roster: roster.clone(),
            intake: intake.clone(),
            board: self.board.clone(),
            gaps: gaps.clone(),
        };
        running.tasks.spawn(mender.run(inner.stop().clone()));
        let (board, stopped) = (self.board.clone(), inner.stop().clone());
        running.tasks.spawn(keep_mark(mark, gaps, backlog, board, stopped));
        let parts = Parts { intake, making: Arc::default(), tenure: inner, heard_until };
        loop {
            let clients = admitted.borrow_and_update().clone();
            self.follow(&roster.followed(), &clients, &parts, &mut running);
            tokio::select! {
                () = stop.cancelled() => break,
                _ = changes.changed() => {}
                Ok(()) = admitted.changed() => {}
                Some(ended) = running.tasks.join_next() => {
                    ended.map_err(TrackerError::TaskDied)?;
                }
            }
        }
        drop(parts);
        while let Some(ended) = running.tasks.join_next().await {
            ended.map_err(TrackerError::TaskDied)?;
        }
        Ok(())
    }

    /// Learns the organization; nothing if told to stop meanwhile.
    async fn sign_in(
        &self,
        stop: &CancellationToken,
    ) -> Result<Option<OrganizationId>, TrackerError> {
        let mut backoff = Backoff::default();
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return Ok(None),
                asked = self.platform.organization() => asked,
            };
            match asked {
                // Nothing of one organization is reached with another's credentials.
                Ok(other) if self.config.organization.is_some_and(|own| own != other) => {
                    if let (Refused::End, Some(expected)) =
                        (self.config.refused, self.config.organization)
                    {
                        return Err(TrackerError::Foreign { expected, found: other });
                    }
                    tracing::error!(organization = %other, "the OAuth client is another organization's");
                    let problem = format!("the OAuth client belongs to organization {other}");
                    self.wait(problem, MISCONFIGURED_WAIT, stop).await;
                }
                Ok(organization) => {
                    tracing::info!(%organization, "signed in to Genesys");
                    self.board.edit(|status| {
                        status.organization = Some(organization);
                        status.problem = None;
                    });
                    return Ok(Some(organization));
                }
                Err(error)
                    if error.is_misconfiguration() && self.config.refused == Refused::End =>
                {
                    return Err(TrackerError::Refused(error));
                }
                Err(error) => {
                    let wait = if error.is_misconfiguration() {
                        tracing::error!(error = chain(&error), "not signed in to Genesys");
                        MISCONFIGURED_WAIT
                    } else {
                        tracing::warn!(error = chain(&error), "not signed in to Genesys yet");
                        backoff.failed(0.0)
                    };
                    self.wait(chain(&error), wait, stop).await;
                }
            }
        }
    }

    /// Fills the roster; returns whether it did before it was told to stop.
    async fn first_listing(&self, roster: &Roster<S>, stop: &CancellationToken) -> bool {
        let mut backoff = Backoff::default();
        loop {
            let listed = tokio::select! {
                () = stop.cancelled() => return false,
                listed = roster.relist() => listed,
            };
            let Err(error) = listed else { return true };
            tracing::warn!(error = chain(&error), "no roster yet");
            self.wait(chain(&error), backoff.failed(0.0), stop).await;
        }
    }

    async fn wait(&self, problem: String, wait: Duration, stop: &CancellationToken) {
        self.board.edit(|status| status.problem = Some(problem));
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.clock.sleep(wait) => {}
        }
    }

    fn start_workers(
        &self,
        organization: OrganizationId,
        roster: &Arc<Roster<S>>,
        tenure: &Tenure,
        backlog: &Backlog,
        running: &mut Running,
    ) -> Vec<mpsc::Sender<Heard>> {
        let means = Means {
            organization,
            clock: self.clock,
            store: self.store.clone(),
            sink: self.sink.clone(),
            roster: roster.clone(),
            lags: self.lags.clone(),
            seen: Seen::new(self.store.clone(), self.clock, organization),
            backlog: backlog.clone(),
        };
        let senders = (0..WORKERS).map(|_| {
            let (sender, heard) = mpsc::channel(HEARD_MAX);
            running.tasks.spawn(Worker::new(means.clone()).run(heard, tenure.clone()));
            sender
        });
        senders.collect()
    }

    /// Fits the channels to the followed users, as far as there are OAuth clients for them.
    fn follow(
        &self,
        followed: &BTreeSet<UserId>,
        clients: &BTreeSet<usize>,
        parts: &Parts,
        running: &mut Running,
    ) {
        let mut changed: BTreeSet<usize> = running.plan.assign(followed).into_iter().collect();
        let places = running.plan.channels().len();
        let places_max = CHANNELS_PER_CLIENT_MAX * self.platforms.len();
        if places > places_max && !changed.is_empty() {
            let unseen: usize =
                running.plan.channels()[places_max..].iter().map(BTreeSet::len).sum();
            tracing::error!(unseen, "more agents than the OAuth clients can follow");
        }
        // Nobody has listened yet to whomever a later place is made for; but who only waited
        // for a client was there from the beginning.
        let first = running.places.is_empty();
        for place in 0..places.min(places_max) {
            let known = !running.places.insert(place);
            let client = place / CHANNELS_PER_CLIENT_MAX;
            if running.holders.contains_key(&place) || !clients.contains(&client) {
                continue;
            }
            let deaf_since = if first || known { parts.heard_until } else { self.clock.now() };
            let (sender, users) = watch::channel(BTreeSet::new());
            running.holders.insert(place, sender);
            changed.insert(place);
            let holder = Holder {
                place,
                platform: self.platforms[client].clone(),
                clock: self.clock,
                users,
                intake: parts.intake.clone(),
                board: self.board.clone(),
                making: parts.making.clone(),
                tenure: parts.tenure.clone(),
                deaf_since,
                sure: Sure::default(),
                rejected: BTreeSet::new(),
            };
            running.tasks.spawn(holder.run());
        }
        for place in changed {
            if let Some(sender) = running.holders.get(&place) {
                sender.send_replace(running.plan.channels()[place].clone());
            }
        }
        let wanted = running.plan.channels().iter().filter(|users| !users.is_empty()).count();
        self.board.edit(|status| status.channels_wanted = Some(wanted));
    }
}
