//! The service on embedded ports: it opens, says that it lives, drains and ends.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use serde_json::json;
use sidetone_lambda_start::Environment;
use sidetone_listener::Shares;
use sidetone_ports_embedded::{KeyFile, Store, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::ecs::tests::FakeEcs;

fn settings(port: u16) -> Settings {
    let port = port.to_string();
    let environment = Environment::of([
        ("SIDETONE_PORT", port.as_str()),
        ("SIDETONE_CALLS_TABLE", "calls"),
        ("SIDETONE_USERS_TABLE", "users"),
        ("SIDETONE_TRACKER_TABLE", "tracker"),
        ("SIDETONE_STREAM", "stream"),
        ("SIDETONE_KEYS_SECRET", "keys"),
        ("SIDETONE_DRAIN_SECONDS", "2"),
    ]);
    Settings::read(&environment, Shares::of(65_536)).unwrap()
}

async fn answer(address: SocketAddr, path: &str) -> String {
    for _ in 0..200 {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        return text;
    }
    panic!("the door does not open");
}

#[tokio::test(flavor = "multi_thread")]
async fn opens_says_that_it_lives_and_ends_when_told() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let folder = std::env::temp_dir().join(format!("sidetone-door-{port}"));
    std::fs::create_dir_all(&folder).unwrap();
    let store = Store::in_memory().unwrap();
    let sink = Stream::in_memory(Clock::system()).unwrap();
    let keys = KeyFile::open(&folder.join("keys.toml")).unwrap();
    let on = json!({"protection": {"ProtectionEnabled": false}});
    let ecs = FakeEcs::start(vec![(200, on)]).await;
    let task = Task::at(None, Some(ecs.url()));
    let stop = Stop::new();
    let (stopper, owners) = (stop.clone(), store.clone());
    let serving = tokio::spawn(async move {
        let (settings, owner) = (settings(port), OwnerId::new("door-test"));
        let host = Host::new(Clock::system(), settings.host, owner, store, sink);
        serve(settings.door, &task, host, keys, stop).await
    });
    assert!(answer(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    let ready = answer(address, "/readyz").await;
    let works = |name: &str| ready.contains(&format!(r#""{name}":{{"ok":true"#));
    assert!(works("keys") && works("store"), "{ready}");
    let signed_on = async {
        while owners.owners().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), signed_on).await.unwrap();
    stopper.drain();
    tokio::time::timeout(Duration::from_secs(10), serving).await.unwrap().unwrap().unwrap();
    assert!(owners.owners().await.unwrap().is_empty(), "it signed off");
    assert_eq!(ecs.requests().last().unwrap().1, json!({"ProtectionEnabled": false}));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn an_owner_is_named_by_its_task_and_never_twice() {
    let arn = "arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd";
    let ecs = FakeEcs::start(vec![(200, json!({"TaskARN": arn})), (404, json!({}))]).await;
    let task = Task::at(Some(ecs.url()), None);
    let name = owner(&task).await;
    assert!(name.as_str().starts_with("door-158d1c8083dd-"), "{name}");
    let (one, other) = (owner(&task).await, owner(&task).await);
    assert!(one != other && one.as_str().len() == "door-".len() + 32, "{one}");
}
