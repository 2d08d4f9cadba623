//! How the door closes: kindly, in time, in order.

use std::time::Duration;

use futures_util::future::join_all;
use sidetone_delivery_wire::{Body, EndCause};
use tokio::time::Instant;

use super::client::{Answer, Client};
use super::stage::Setup;

#[tokio::test(start_paused = true)]
async fn while_draining_calls_go_on_and_new_ones_are_told_to_try_again() {
    let stage = Setup::new().start();
    let mut running = Client::open(&stage).await;
    stage.stop.drain();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let ready = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(Answer::to(stage.address, ready).await.status, 503);
    let alive = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(Answer::to(stage.address, alive).await.status, 200);
    let told = Client::connect(&stage).await.leave_when_told().await;
    assert_eq!(told["parameters"]["reason"], "error", "{told}");
    assert_eq!(told["parameters"]["info"], "draining");
    running.send_audio(vec![1; 3_200]).await;
    running.ping().await;
    running.close().await;
    let (address, records) = (stage.address, stage.sink.clone());
    let drained = stage.closed().await;
    assert_eq!((drained.ended, drained.unflushed), (0, 0));
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the door is closed");
    use sidetone_ports::RecordSource;
    let put = records.read(0, 100, Duration::ZERO).await.unwrap();
    assert!(!put.is_empty(), "all was flushed before the door closed");
}

#[tokio::test(start_paused = true)]
async fn calls_that_outlast_the_limit_are_ended_in_order() {
    let mut setup = Setup::at_speed(20.0);
    setup.door.pace.drain_limit = Duration::from_secs(10);
    let stage = setup.start();
    let clients = join_all((0..5).map(|_| Client::open(&stage))).await;
    stage.stop.drain();
    let started = Instant::now();
    let told = join_all(clients.into_iter().map(Client::leave_when_told)).await;
    // Ten seconds of the clock, which is twenty times as fast.
    assert_eq!(started.elapsed().as_millis(), 500);
    for told in told {
        assert_eq!(told["parameters"]["reason"], "error", "{told}");
    }
    let sink = stage.sink.clone();
    let drained = stage.closed().await;
    assert_eq!((drained.ended, drained.unflushed), (5, 0));
    use sidetone_ports::RecordSource;
    let put = sink.read(0, 1_000, Duration::ZERO).await.unwrap();
    let records =
        put.into_iter().flat_map(|one| sidetone_delivery_wire::decode(one.record.data).unwrap());
    let causes: Vec<_> = records
        .filter_map(|record| match record.body {
            Some(Body::SessionEnded(ended)) => Some(ended.cause()),
            _ => None,
        })
        .collect();
    assert_eq!(causes, [EndCause::Shutdown; 5]);
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_now_the_door_does_not_wait_for_calls() {
    let stage = Setup::new().start();
    let client = Client::open(&stage).await;
    let started = Instant::now();
    stage.stop.now();
    let told = client.leave_when_told().await;
    assert_eq!(told["parameters"]["reason"], "error", "{told}");
    let drained = stage.closed().await;
    assert_eq!((drained.ended, drained.unflushed), (1, 0));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn clients_that_do_not_leave_are_cut_after_the_grace() {
    let mut setup = Setup::at_speed(20.0);
    setup.door.limits.sessions_max = 1;
    let stage = setup.start();
    let mut silent = Client::open(&stage).await;
    let mut turned_away = Client::connect(&stage).await;
    stage.stop.now();
    assert_eq!(silent.hear().await["type"], "disconnect");
    assert_eq!(turned_away.hear().await["type"], "disconnect");
    assert!(silent.next().await.is_none());
    assert!(turned_away.next().await.is_none());
    let drained = stage.closed().await;
    assert_eq!((drained.ended, drained.unflushed), (1, 0));
}
