//! Doors that track in turn, against a simulated platform.

use sidetone_genesys_sim::{Cast, Platform, PlatformConfig};
use sidetone_model::OrganizationId;
use sidetone_ports_embedded::{Store, Stream};

use super::*;

const CLIENT_ID: &str = "b0a1c2d3-0000-4000-8000-0000000c1e47";

/// How long a condition is waited for. Units: real time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clients that are at hand; how often they were asked for afresh is of no matter here.
#[derive(Clone)]
struct AtHand(Arc<str>);

impl Clients for AtHand {
    async fn clients(&self, _: bool) -> Result<GenesysClient, StoreError> {
        let json = serde_json::json!({ "client_id": CLIENT_ID, "client_secret": &*self.0 });
        Ok(serde_json::from_value(json).unwrap())
    }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = tokio::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(tokio::time::Instant::now() < limit, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_door_tracks_if_it_is_told_to_and_whom() {
    let all = [
        ("SIDETONE_TRACKING", "enabled"),
        ("SIDETONE_GENESYS_SECRET", "arn"),
        ("SIDETONE_GENESYS_REGION", "usw2"),
    ];
    let settings = TrackerSettings::read(&Environment::of(all)).unwrap().unwrap();
    assert_eq!((settings.hold, settings.secret.as_str()), (Duration::from_secs(840), "arn"));
    for missing in 1..all.len() {
        let rest = all.into_iter().enumerate().filter(|(place, _)| *place != missing);
        let rest = Environment::of(rest.map(|(_, pair)| pair));
        assert!(TrackerSettings::read(&rest).is_err(), "{}", all[missing].0);
    }
    let nothing: [(&str, &str); 0] = [];
    assert!(TrackerSettings::read(&Environment::of(nothing)).unwrap().is_none());
    let wrong = all.map(|(name, value)| (name, if value == "usw2" { "usw9" } else { value }));
    assert!(TrackerSettings::read(&Environment::of(wrong)).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_doors_take_turns_and_somebody_always_listens() {
    let clock = Clock::scaled(15.0);
    let organization = OrganizationId::new(uuid::Uuid::from_u128(7));
    let sim = PlatformConfig::new(clock, organization, CLIENT_ID, "hush", Cast::sim_users());
    let platform = Platform::start(sim).await.unwrap();
    let (login, api) = platform.base_urls();
    let store = Store::in_memory().unwrap();
    store.put_users(organization, &Cast::ours()).await.unwrap();
    let door = |name: &str| Turns {
        clock,
        hosts: Hosts::loopback(&login, &api).unwrap(),
        hold: Duration::from_secs(150),
        name: name.to_owned(),
        store: store.clone(),
        sink: Stream::in_memory(clock).unwrap(),
        clients: AtHand("hush".into()),
        were_refused: Arc::default(),
    };
    let (stop, other_stop) = (CancellationToken::new(), CancellationToken::new());
    let first = tokio::spawn(door("first").take(stop.clone()));
    until("the first listens", || platform.stats().topics > 0).await;
    let second = tokio::spawn(door("second").take(other_stop.clone()));
    let followed = platform.stats().topics;
    // Each turn ends after 150 s at the latest; whoever is next listens before.
    let until_turns = tokio::time::Instant::now() + PATIENCE;
    while platform.stats().channels_created < 3 {
        assert!(platform.stats().topics >= followed, "nobody listens");
        assert!(tokio::time::Instant::now() < until_turns, "nobody takes over");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A door that leaves is succeeded by the other.
    stop.cancel();
    first.await.unwrap();
    until("the other listens", || platform.stats().topics >= followed).await;
    other_stop.cancel();
    second.await.unwrap();
    until("nobody listens", || platform.stats().topics == 0).await;
    let violations: Vec<_> = platform.violations().iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{violations:#?}");
}
