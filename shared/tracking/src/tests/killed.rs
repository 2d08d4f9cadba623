//! Trackers that are killed: what they alone knew, or only believed, is found by the next one.

use sidetone_delivery_wire::decode;
use sidetone_genesys_sim::{Conversation, Delivery, Who};
use sidetone_ports::RecordSource;
use sidetone_testkit::{FaultySink, PutFault};

use super::repair::inbound;
use super::*;

/// Longer than a gap is taken to be beyond what is known, and than a mark takes to be moved.
const LONG: Duration = Duration::from_secs(130);

/// Has a call of Ada's take place of which no socket tells.
async fn unheard(bench: &Bench) -> Conversation {
    let (clock, mut call) = (bench.clock, inbound(bench.clock));
    call.ring(&ada(), clock.now());
    clock.sleep(Duration::from_secs(1)).await;
    call.answer(ada().id, clock.now()).unwrap();
    clock.sleep(Duration::from_secs(2)).await;
    call.hang_up(Who::Customer, clock.now()).unwrap();
    call.terminate();
    bench.platform.publish_by(&call.snapshot(), Delivery::lost());
    call
}

/// Kills a tracker, which clears nothing up, and starts another.
async fn succeed(bench: Bench, stream: Stream) -> Bench {
    bench.running.abort();
    drop(bench.running.await);
    Bench::start_with_store(bench.platform, bench.clock, bench.store, stream).await
}

#[tokio::test(start_paused = true)]
async fn what_a_socket_without_topics_never_told_is_found_by_a_successor() {
    let bench = Bench::start(50.0).await;
    bench.clock.sleep(LONG).await;
    bench.platform.forget_topic(ada().id);
    let call = unheard(&bench).await;
    bench.clock.sleep(LONG).await;
    assert_eq!(bench.legs(call.key()).await, [], "it listens, and hears nothing");
    let stream = bench.stream.clone();
    let bench = succeed(bench, stream).await;
    bench.legs_when(call.key(), "it is found", |legs| legs.len() == 1).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_found_late_and_not_told_is_told_by_a_successor() {
    let clock = Clock::scaled(50.0);
    let agents = [provisioned("ada", Adaptor::GenesysCloud)];
    let platform = Platform::start(config(clock, vec![ada()])).await.unwrap();
    let (store, stream) = (Store::in_memory().unwrap(), Stream::in_memory(clock).unwrap());
    store.put_users(organization(), &agents).await.unwrap();
    let sink = FaultySink::new(stream.clone());
    sink.keep(PutFault::Refuse);
    let settings = TrackerConfig::new(hosts(&platform), CLIENT_ID, Secret::new(CLIENT_SECRET));
    let tracker = Tracker::new(settings, clock, store.clone(), sink).unwrap();
    let (status, stop) = (tracker.status(), CancellationToken::new());
    // The call is long over when somebody first looks.
    let bench = {
        let running = tokio::spawn(std::future::pending());
        Bench { clock, platform, store, stream: stream.clone(), status, stop, running }
    };
    let call = unheard(&bench).await;
    clock.sleep(LONG).await;
    let stop = bench.stop.clone();
    let bench = Bench { running: tokio::spawn(tracker.run(stop)), ..bench };
    bench.legs_when(call.key(), "it is found", |legs| legs.len() == 1).await;
    clock.sleep(LONG).await;
    let bench = succeed(bench, stream.clone()).await;
    let told = async || {
        let records = stream.read(0, 100, Duration::ZERO).await.unwrap();
        let records = records.into_iter().flat_map(|it| decode(it.record.data).unwrap());
        records.into_iter().any(|record| record.connection_id.starts_with("tracker-"))
    };
    until("it is told", told).await;
    bench.end().await;
}
