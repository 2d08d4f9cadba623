//! How sessions end, as those see it who watch a host.

use serde_json::json;
use sidetone_audiohook_proto::Handshake;
use sidetone_model::{ConnectionId, OwnerId, SessionId};
use sidetone_ports::Clock;
use sidetone_ports_embedded::{NullStream, Store};

use super::*;
use crate::host::HostConfig;

const SESSION: &str = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071";
const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

fn host() -> Host<Store, NullStream> {
    let (store, owner) = (Store::in_memory().unwrap(), OwnerId::new("door"));
    Host::new(Clock::scaled(1.0), HostConfig::default(), owner, store, NullStream::default())
}

fn session(host: &Host<Store, NullStream>) -> Session<Store, NullStream> {
    let handshake = Handshake {
        organization: ORGANIZATION.parse().unwrap(),
        session_id: SESSION.parse::<SessionId>().unwrap().into(),
    };
    host.session(handshake, ConnectionId::new("c"), None)
}

fn probe() -> String {
    json!({
        "version": "2", "id": SESSION, "type": "open", "seq": 1, "serverseq": 0,
        "position": "PT0S",
        "parameters": {
            "organizationId": ORGANIZATION, "conversationId": NOBODY,
            "participant": { "id": NOBODY, "ani": "", "aniName": "", "dnis": "" },
            "media": [],
        },
    })
    .to_string()
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_is_told_of_every_end() {
    for text in [probe().as_str(), "no message"] {
        let host = host();
        let mut news = host.news();
        let mut session = session(&host);
        session.handle(Input::Text(text));
        assert!(!news.try_recv().unwrap().ended);
        session.finish().await;
        let mut last = None;
        while let Ok(status) = news.try_recv() {
            last = Some(status);
        }
        assert!(last.unwrap().ended, "{text}");
        assert_eq!(host.session_count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_breaks_off_is_over_too() {
    let host = host();
    let mut news = host.news();
    let mut session = session(&host);
    session.handle(Input::Text(&probe()));
    let begun = news.try_recv().unwrap();
    drop(session);
    assert_eq!(news.try_recv().unwrap(), crate::SessionStatus { ended: true, ..begun });
}

#[tokio::test(start_paused = true)]
async fn of_a_session_that_never_said_anything_nobody_is_told() {
    let host = host();
    let mut news = host.news();
    drop(session(&host));
    assert!(news.try_recv().is_err());
}
