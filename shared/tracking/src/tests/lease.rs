//! Trackers under a lease: one after the other, two at once, killed, cut off.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sidetone_genesys_sim::{Conversation, Delivery, Failure, Who};
use sidetone_ports::{Claim, Fence, LeaseBeat, LeaseStore, Renewal, StoreError};

use super::repair::{inbound, milliseconds};
use super::*;
use crate::{Departure, Holding, Mandate, Stay, Tenure, Terms, lease_name};

/// One platform and one store, and trackers that come to them.
struct Site {
    clock: Clock,
    platform: Platform,
    store: Store,
    stream: Stream,
}

type Staying = JoinHandle<Stay<TrackerError>>;

impl Site {
    async fn open(speed: f64) -> Self {
        let clock = Clock::scaled(speed);
        let platform = Platform::start(config(clock, vec![ada(), bo()])).await.unwrap();
        let store = Store::in_memory().unwrap();
        let agents = ["ada", "bo"].map(|agent| provisioned(agent, Adaptor::GenesysCloud));
        store.put_users(organization(), &agents).await.unwrap();
        let stream = Stream::in_memory(clock).unwrap();
        Self { clock, platform, store, stream }
    }

    fn terms(&self, hold: Duration) -> Terms {
        Terms::new(lease_name(CLIENT_ID), Uuid::new_v4().to_string(), hold)
    }

    /// Sends a tracker, as the scheduler does.
    fn send(&self, hold: Duration) -> Staying {
        self.send_with(self.store.clone(), hold, &CancellationToken::new())
    }

    fn send_with<L: LeaseStore>(
        &self,
        leases: L,
        hold: Duration,
        stop: &CancellationToken,
    ) -> Staying {
        let tracker = tracker(&self.platform, self.clock, self.store.clone(), self.stream.clone());
        let holding = Holding::new(leases, self.clock, self.terms(hold));
        let stop = stop.clone();
        tokio::spawn(holding.keep(stop, |tenure| tracker.run_under(tenure)))
    }

    async fn legs(&self, key: ConversationKey) -> Vec<Leg> {
        let items = self.store.query(key, self.clock.now()).await.unwrap();
        items
            .iter()
            .filter(|item| item.name.starts_with("leg#"))
            .map(|item| serde_json::from_slice(&item.bytes).unwrap())
            .collect()
    }

    async fn listening(&self, sockets: usize) {
        let platform = self.platform.clone();
        until("as many listen as should", async || {
            let stats = platform.stats();
            stats.sockets_open == sockets && stats.topics == 2 * sockets
        })
        .await;
    }

    /// Rings Ada and has the call answered at once.
    fn call(&self, delivery: Delivery) -> Conversation {
        let mut call = inbound(self.clock);
        call.ring(&ada(), self.clock.now());
        self.platform.publish_by(&call.snapshot(), delivery);
        call.answer(ada().id, self.clock.now()).unwrap();
        self.platform.publish_by(&call.snapshot(), delivery);
        call
    }

    async fn assert_known_once(&self, call: &Conversation) {
        until("the call is known", async || {
            self.legs(call.key()).await.iter().any(|leg| leg.connected_at.is_some())
        })
        .await;
        let legs = self.legs(call.key()).await;
        assert_eq!(legs.len(), 1, "{legs:#?}");
        let connected_at = call.legs()[0].connected_at.map(milliseconds);
        assert_eq!(legs[0].connected_at, connected_at);
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

async fn ended(staying: Staying) -> Stay<TrackerError> {
    tokio::time::timeout(PATIENCE, staying).await.expect("it ends").unwrap()
}

#[tokio::test(start_paused = true)]
async fn trackers_take_turns_and_no_call_is_missed_or_doubled() {
    let site = Site::open(30.0).await;
    let clock = site.clock;
    let mut staying: Vec<Staying> = Vec::new();
    let mut calls = Vec::new();
    let begun_at = clock.now();
    // The scheduler comes once a minute, and calls every second, however slow this machine is.
    for second in 0..270 {
        if second % 60 == 0 {
            staying.push(site.send(secs(90)));
        }
        if second > 10 {
            calls.push(site.call(Delivery::after(Duration::from_millis(100))));
        }
        clock.sleep_until(begun_at + secs(second + 1)).await;
    }
    for call in &calls {
        site.assert_known_once(call).await;
    }
    let mut departures = Vec::new();
    for staying in staying {
        let stay = ended(staying).await;
        departures.push((stay.fence, stay.departure.as_str()));
    }
    let (last, before) = departures.split_last().unwrap();
    assert_eq!(last, &(Some(5), "expired"));
    for (place, departure) in (1..).zip(before) {
        assert_eq!(departure, &(Some(place), "handed-over"), "{departures:?}");
    }
    let stats = site.platform.stats();
    assert!(stats.channels_alive_most <= 6 && stats.channels_evicted == 0, "{stats:?}");
    assert_no_violations(&site.platform);
}

#[tokio::test(start_paused = true)]
async fn both_listen_in_the_overlap() {
    let site = Site::open(20.0).await;
    let first = site.send(secs(90));
    site.listening(1).await;
    site.clock.sleep(secs(45)).await;
    let second = site.send(secs(600));
    site.listening(2).await;
    let call = site.call(Delivery::default());
    site.assert_known_once(&call).await;
    assert!(matches!(ended(first).await.departure, Departure::HandedOver));
    site.listening(1).await;
    let call = site.call(Delivery::default());
    site.assert_known_once(&call).await;
    second.abort();
    assert_no_violations(&site.platform);
}

#[tokio::test(start_paused = true)]
async fn a_killed_tracker_is_replaced_after_its_lease_and_what_was_missed_is_found() {
    let site = Site::open(20.0).await;
    let clock = site.clock;
    let first = site.send(secs(840));
    site.listening(1).await;
    clock.sleep(secs(45)).await;
    first.abort();
    site.listening_ends().await;
    let call = site.call(Delivery::default());
    let killed_at = clock.now();
    let second = site.send(secs(840));
    until("the second listens", async || site.platform.stats().sockets_open == 1).await;
    let waited = seconds_since(clock, killed_at);
    assert!((30.0..45.0).contains(&waited), "a whole life of the lease is observed: {waited} s");
    site.assert_known_once(&call).await;
    let mut over = call.clone();
    over.hang_up(Who::Customer, clock.now()).unwrap();
    site.platform.publish(&over.snapshot(), Duration::ZERO);
    until("its end is heard", async || site.legs(call.key()).await[0].ended_at.is_some()).await;
    second.abort();
    assert_no_violations(&site.platform);
}

impl Site {
    async fn listening_ends(&self) {
        until("nobody listens", async || self.platform.stats().sockets_open == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_sent_at_once_one_stays() {
    let site = Site::open(20.0).await;
    let stop = CancellationToken::new();
    let both: Vec<Staying> =
        (0..2).map(|_| site.send_with(site.store.clone(), secs(840), &stop)).collect();
    until("one has left", async || both.iter().any(JoinHandle::is_finished)).await;
    site.listening(1).await;
    assert_eq!(site.platform.stats().channels_created, 1);
    stop.cancel();
    let mut words = Vec::new();
    for staying in both {
        words.push(ended(staying).await.departure.as_str());
    }
    words.sort_unstable();
    assert_eq!(words, ["stopped", "taken"]);
    // Given back: the next one need not wait.
    let next = site.send(secs(840));
    site.listening(1).await;
    next.abort();
    assert_no_violations(&site.platform);
}

/// Leases whose store cannot be reached when told so.
#[derive(Clone)]
struct CutOff {
    inner: Store,
    is_cut: Arc<AtomicBool>,
}

impl CutOff {
    fn check(&self) -> Result<(), StoreError> {
        match self.is_cut.load(Ordering::SeqCst) {
            true => Err(StoreError::unavailable("ask", "it was told to fail")),
            false => Ok(()),
        }
    }
}

impl LeaseStore for CutOff {
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        life: Duration,
        silent: Option<LeaseBeat>,
    ) -> Result<Claim, StoreError> {
        self.check()?;
        self.inner.acquire(name, holder, life, silent).await
    }

    async fn renew(
        &self,
        name: &str,
        holder: &str,
        fence: Fence,
        life: Duration,
        offered: bool,
    ) -> Result<Renewal, StoreError> {
        self.check()?;
        self.inner.renew(name, holder, fence, life, offered).await
    }

    async fn release(&self, name: &str, holder: &str, fence: Fence) -> Result<(), StoreError> {
        self.check()?;
        self.inner.release(name, holder, fence).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_ends_everything_before_another_may_begin() {
    let site = Site::open(20.0).await;
    let clock = site.clock;
    let is_cut = Arc::new(AtomicBool::new(false));
    let leases = CutOff { inner: site.store.clone(), is_cut: is_cut.clone() };
    let first = site.send_with(leases.clone(), secs(840), &CancellationToken::new());
    site.listening(1).await;
    clock.sleep(secs(15)).await;
    is_cut.store(true, Ordering::SeqCst);
    clock.sleep(secs(8)).await;
    is_cut.store(false, Ordering::SeqCst);
    clock.sleep(secs(30)).await;
    assert!(!first.is_finished(), "a short failure is nothing");
    is_cut.store(true, Ordering::SeqCst);
    let cut_at = clock.now();
    let (requests, topics) = (site.platform.stats().requests, site.platform.stats().topics);
    assert!(matches!(ended(first).await.departure, Departure::Lost));
    assert!(seconds_since(clock, cut_at) <= 32.0);
    site.listening_ends().await;
    let stats = site.platform.stats();
    assert_eq!((stats.requests, stats.topics), (requests, topics), "not a request more");
    let stay = ended(site.send_with(leases, secs(840), &CancellationToken::new())).await;
    assert!(matches!(stay.departure, Departure::Unavailable(_)));
    assert_no_violations(&site.platform);
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_is_down_at_the_start_is_waited_for_under_the_lease() {
    let site = Site::open(40.0).await;
    site.platform.fail_next(8, Failure::Status { status: 503, retry_after: None });
    let call = site.call(Delivery::default());
    let first = site.send(secs(840));
    site.listening(1).await;
    site.assert_known_once(&call).await;
    first.abort();
    assert_no_violations(&site.platform);
}

#[tokio::test(start_paused = true)]
async fn whoever_only_listens_makes_no_channel_when_its_own_breaks() {
    let site = Site::open(20.0).await;
    let first = site.send(secs(90));
    site.listening(1).await;
    site.clock.sleep(secs(45)).await;
    let second = site.send(secs(840));
    site.listening(2).await;
    site.clock.sleep(secs(11)).await;
    site.platform.expire_channels();
    site.clock.sleep(secs(5)).await;
    site.listening(1).await;
    assert_eq!(site.platform.stats().channels_created, 3, "the successor's alone is replaced");
    let call = site.call(Delivery::default());
    site.assert_known_once(&call).await;
    assert!(matches!(ended(first).await.departure, Departure::HandedOver));
    second.abort();
    assert_no_violations(&site.platform);
}

/// Stays under a lease on a clock that stands still, and notes its mandate.
fn stay(
    store: &Store,
    clock: Clock,
    terms: Terms,
) -> (watch::Receiver<Option<Tenure>>, JoinHandle<Stay<Infallible>>) {
    let (sender, tenure) = watch::channel(None);
    let holding = Holding::new(store.clone(), clock, terms);
    let staying = tokio::spawn(holding.keep(CancellationToken::new(), async move |tenure| {
        sender.send_replace(Some(tenure.clone()));
        tenure.stop().cancelled().await;
        Ok(())
    }));
    (tenure, staying)
}

#[tokio::test(start_paused = true)]
async fn the_mandate_follows_the_lease() {
    let clock = Clock::starting_at(Timestamp::from_millis(1_000_000), 1.0);
    let store = Store::in_memory().unwrap();
    let (mut first, staying) = stay(&store, clock, Terms::new("l", "a", secs(300)));
    let first = first.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    clock.sleep(secs(195)).await;
    let taken = stay(&store, clock, Terms::new("l", "b", secs(300))).1.await.unwrap();
    assert!(matches!(taken.departure, Departure::Taken), "it is not offered yet");
    clock.sleep(secs(15)).await;
    let (mut second, other) = stay(&store, clock, Terms::new("l", "c", secs(300)));
    let second = second.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert_eq!(second.mandate(), Mandate::Manage);
    assert_eq!(first.mandate(), Mandate::Manage, "nobody has told it yet");
    clock.sleep(secs(10)).await;
    assert_eq!(first.mandate(), Mandate::Listen);
    assert!(!first.stop().is_cancelled());
    clock.sleep(secs(21)).await;
    assert!(first.stop().is_cancelled());
    assert!(matches!(staying.await.unwrap().departure, Departure::HandedOver));
    let end = other.await.unwrap();
    assert_eq!((end.fence, end.departure.as_str()), (Some(2), "expired"));
}
