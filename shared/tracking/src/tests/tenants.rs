//! Several organizations, each with its own platform: followed beside each other, taken up and
//! let go, and none by another's OAuth client.

use std::sync::{Arc, Mutex};

use serde_json::json;
use sidetone_model::{Listen, OnHold, Organization, PlatformPlace};
use sidetone_ports::{
    ChangeOrigin, ChangeWay, ClientSource, ConfiguredClient, KnownClients, OrganizationStore,
    SettingsChange, StoreError, StoredClient,
};

use super::*;
use crate::{StoredTenants, Taken, TenantEvents, TenantName, TenantTurns, Tenants, TenantsOutcome};

/// Secrets that a test changes.
#[derive(Debug, Clone, Default)]
struct Clients(Arc<Mutex<KnownClients>>);

impl ClientSource for Clients {
    async fn known_clients(&self, _: bool) -> Result<KnownClients, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

/// One store for all, and a platform for each organization.
struct Town {
    clock: Clock,
    store: Store,
    stream: Stream,
    clients: Clients,
    platforms: Vec<Platform>,
}

fn nth(number: usize) -> OrganizationId {
    format!("0f0e0d0c-0b0a-4908-8706-{number:012}").parse().unwrap()
}

impl Town {
    async fn of(organizations: usize, speed: f64) -> Self {
        let clock = Clock::scaled(speed);
        let (store, stream) = (Store::in_memory().unwrap(), Stream::in_memory(clock).unwrap());
        let mut platforms = Vec::new();
        for number in 0..organizations {
            let agents = [provisioned("ada", Adaptor::GenesysCloud)];
            store.put_users(nth(number), &agents).await.unwrap();
            let config =
                PlatformConfig::new(clock, nth(number), CLIENT_ID, CLIENT_SECRET, vec![ada()]);
            platforms.push(Platform::start(config).await.unwrap());
        }
        Self { clock, store, stream, clients: Clients::default(), platforms }
    }

    /// Sets an organization up for somebody's platform, with a secret of its client there.
    async fn add(&self, number: usize, platform: usize, secret: &str) {
        let (login, api) = self.platforms[platform].base_urls();
        let settings = Organization {
            id: nth(number),
            platform: PlatformPlace::Hosts { login, api },
            client_ids: vec![CLIENT_ID.to_owned()],
            listen: Listen::default(),
            on_hold: OnHold::default(),
            queues: Vec::new(),
            retention_days: None,
        };
        let client = StoredClient {
            organization: nth(number),
            client_id: CLIENT_ID.to_owned(),
            client_secret: secret.to_owned(),
        };
        {
            let mut known = self.clients.0.lock().unwrap();
            known.organizations.retain(|client| client.organization != nth(number));
            known.organizations.push(client);
        }
        self.store.put_organization(&settings).await.unwrap();
    }

    /// Serves an organization no longer.
    async fn remove(&self, number: usize) {
        let id = nth(number);
        let expected = self.store.organization_revision(id).await.unwrap();
        let before = self.store.organization(id).await.unwrap();
        let change = SettingsChange { before, after: None, key_set: false, clients_set: false };
        let (at, by) = (self.clock.now(), "test".to_owned());
        let origin = ChangeOrigin { at, by, way: ChangeWay::Setup };
        self.store.change_organization(id, expected, &origin, &change).await.unwrap();
    }

    fn source(&self) -> StoredTenants<Store, Clients> {
        let (store, clients) = (self.store.clone(), self.clients.clone());
        StoredTenants { store, clients, configured: None, elsewhere: None }
    }

    /// Sends one who follows in turn with others.
    fn send(
        &self,
        hold: u64,
        once: bool,
        stop: &CancellationToken,
    ) -> JoinHandle<Result<TenantsOutcome, StoreError>> {
        let (holder, hold) = (Uuid::new_v4().to_string(), Duration::from_secs(hold));
        let turns = TenantTurns { holder, hold, once };
        let (store, sink) = (self.store.clone(), self.stream.clone());
        let tenants = Tenants::new(self.clock, store, sink, self.source(), Some(turns));
        tokio::spawn(tenants.run(stop.clone()))
    }

    async fn is_followed(&self, platform: usize) {
        let platform = &self.platforms[platform];
        until("it is followed", async || platform.stats().topics > 0).await;
    }

    fn end(self) {
        self.platforms.iter().for_each(assert_no_violations);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_followed_stops_no_other() {
    let town = Town::of(3, 20.0).await;
    town.add(0, 0, CLIENT_SECRET).await;
    town.add(1, 1, "not its secret").await;
    // Entered for the third, and the first one's client.
    town.add(2, 0, CLIENT_SECRET).await;
    let sent = town.send(150, true, &CancellationToken::new());
    town.is_followed(0).await;
    let again = town.send(150, true, &CancellationToken::new()).await.unwrap().unwrap();
    assert_eq!(again.stays.iter().filter(|stay| stay.tenant == name(0)).count(), 0, "it is taken");
    let outcome = sent.await.unwrap().unwrap();
    let followed: Vec<_> =
        outcome.stays.iter().filter(|stay| stay.departure != "failed").map(|s| &s.tenant).collect();
    assert_eq!(followed, [&name(0)]);
    let failed: std::collections::BTreeSet<_> =
        outcome.failures.iter().map(|failure| failure.tenant.clone()).collect();
    assert_eq!(failed, [name(1), name(2)].into(), "{:?}", outcome.failures);
    let foreign = outcome.failures.iter().find(|failure| failure.tenant == name(2)).unwrap();
    assert!(foreign.problem.contains("belongs to organization"), "{foreign}");
    assert!(!format!("{outcome:?}").contains("not its secret"));
    assert_eq!(town.platforms[2].stats().requests, 0, "nobody asked the third one's platform");
}

fn name(number: usize) -> TenantName {
    TenantName::Organization(nth(number))
}

#[tokio::test(start_paused = true)]
async fn who_is_added_is_taken_up_by_whoever_stays_and_all_are_passed_on_together() {
    let town = Town::of(2, 20.0).await;
    town.add(0, 0, CLIENT_SECRET).await;
    let first = town.send(300, true, &CancellationToken::new());
    town.is_followed(0).await;
    town.add(1, 1, CLIENT_SECRET).await;
    town.is_followed(1).await;
    // Nothing is to be had until both are on offer.
    let early = town.send(300, true, &CancellationToken::new()).await.unwrap().unwrap();
    assert_eq!(early, TenantsOutcome::default());
    let next = loop {
        let sent = town.send(60, true, &CancellationToken::new());
        let outcome = sent.await.unwrap().unwrap();
        if !outcome.stays.is_empty() {
            break outcome;
        }
        assert!(!first.is_finished(), "somebody takes over before the first one leaves");
        town.clock.sleep(Duration::from_secs(1)).await;
    };
    let mut followed: Vec<_> = next.stays.iter().map(|stay| stay.tenant.clone()).collect();
    followed.sort();
    assert_eq!(followed, [name(0), name(1)], "both come to the same one");
    let outcome = first.await.unwrap().unwrap();
    assert_eq!(outcome.failures, []);
    assert_eq!(outcome.stays.len(), 2, "{outcome:?}");
    assert!(outcome.stays.iter().all(|stay| stay.departure == "handed-over"), "{outcome:?}");
    town.end();
}

#[tokio::test(start_paused = true)]
async fn who_is_removed_or_changed_is_let_go() {
    let town = Town::of(2, 20.0).await;
    town.add(0, 0, CLIENT_SECRET).await;
    town.add(1, 1, CLIENT_SECRET).await;
    let stop = CancellationToken::new();
    let (store, sink) = (town.store.clone(), town.stream.clone());
    let tenants = Tenants::new(town.clock, store, sink, town.source(), None);
    let statuses = tenants.statuses();
    let running = tokio::spawn(tenants.run(stop.clone()));
    town.is_followed(0).await;
    town.is_followed(1).await;
    assert_eq!(statuses.borrow().len(), 2);
    town.remove(0).await;
    // A secret that is wrong does not stop what is said about it.
    town.add(1, 1, "another secret").await;
    until("the removed one is let go", async || town.platforms[0].stats().sockets_open == 0).await;
    until("the other one's new secret is tried", async || {
        let statuses = statuses.borrow();
        statuses.len() == 1 && statuses.values().all(|status| status.borrow().problem.is_some())
    })
    .await;
    town.add(1, 1, CLIENT_SECRET).await;
    until("it is followed again", async || {
        statuses.borrow().values().any(|status| status.borrow().is_connected())
    })
    .await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_that_last_take_turns_and_somebody_always_listens() {
    let town = Town::of(1, 15.0).await;
    town.add(0, 0, CLIENT_SECRET).await;
    let (stop, other_stop) = (CancellationToken::new(), CancellationToken::new());
    let first = town.send(150, false, &stop);
    town.is_followed(0).await;
    let second = town.send(150, false, &other_stop);
    let platform = &town.platforms[0];
    // Each turn ends after 150 s at the latest; whoever is next listens before.
    until("turns change twice", async || {
        assert!(platform.stats().sockets_open > 0, "nobody listens");
        platform.stats().channels_created >= 3
    })
    .await;
    // One that leaves is succeeded by the other.
    stop.cancel();
    first.await.unwrap().unwrap();
    until("the other listens", async || platform.stats().sockets_open > 0).await;
    other_stop.cancel();
    second.await.unwrap().unwrap();
    until("nobody listens", async || platform.stats().sockets_open == 0).await;
    town.end();
}

#[tokio::test(start_paused = true)]
async fn a_configured_client_is_followed_beside_them_and_never_twice() {
    let town = Town::of(2, 20.0).await;
    town.add(0, 0, CLIENT_SECRET).await;
    let configured = |id: &str| {
        let (client_id, client_secret) = (id.to_owned(), CLIENT_SECRET.to_owned());
        vec![ConfiguredClient { client_id, client_secret }]
    };
    let (login, api) = town.platforms[1].base_urls();
    let place = PlatformPlace::Hosts { login, api };
    let source = StoredTenants { configured: Some(place), ..town.source() };
    town.clients.0.lock().unwrap().configured = configured("another");
    let names = |tenants: Vec<crate::Tenant>| tenants.into_iter().map(|one| one.name);
    let both: Vec<_> = names(source.tenants(false).await.unwrap()).collect();
    assert_eq!(both, [name(0), TenantName::Configured("another".to_owned())]);
    town.clients.0.lock().unwrap().configured = configured(CLIENT_ID);
    let once: Vec<_> = names(source.tenants(false).await.unwrap()).collect();
    assert_eq!(once, [name(0)], "whoever is set up by itself is not followed twice");
}

#[tokio::test(start_paused = true)]
async fn an_event_of_the_bus_goes_to_its_own_organizations_client() {
    let town = Town::of(2, 20.0).await;
    town.add(0, 0, CLIENT_SECRET).await;
    town.add(1, 1, CLIENT_SECRET).await;
    let events = TenantEvents::new(town.source(), town.stream.clone());
    let event = |organization: OrganizationId, key: ConversationKey| {
        let topic = format!("v2.detail.events.conversation.{}.user.start", key.conversation);
        json!({
            "source": format!("aws.partner/genesys.com/cloud/{organization}/x"),
            "detail": {"topicName": topic, "eventBody": {
                "eventTime": town.clock.now().as_millis(), "conversationId": key.conversation,
                "participantId": "p-ada", "sessionId": "s-ada", "mediaType": "VOICE",
                "direction": "INBOUND", "userId": ada().id, "queueId": "billing"
            }}
        })
        .to_string()
    };
    for number in [1, 0] {
        let key = ConversationKey {
            organization: nth(number),
            conversation: ConversationId::new(Uuid::new_v4()),
        };
        let taken = events.take(town.clock, &event(nth(number), key)).await.unwrap();
        assert_eq!(taken, Taken::Saved);
        assert!(!town.store.query(key, town.clock.now()).await.unwrap().is_empty());
        assert!(town.platforms[number].stats().requests > 0, "its own platform was asked");
        let other = if number == 0 { 1 } else { 0 };
        let foreign = ConversationKey { organization: nth(other), ..key };
        assert!(town.store.query(foreign, town.clock.now()).await.unwrap().is_empty());
    }
    let conversation = ConversationId::new(Uuid::new_v4());
    let stranger = ConversationKey { organization: nth(7), conversation };
    let taken = events.take(town.clock, &event(nth(7), stranger)).await.unwrap();
    assert_eq!(taken, Taken::Foreign);
}
