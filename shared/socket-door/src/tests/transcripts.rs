//! The conversations that every door must hold alike, at this one.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sidetone_delivery_wire::CallRecord;
use sidetone_engine::Hearing;
use sidetone_model::OrganizationId;
use sidetone_ports_embedded::Stream;
use sidetone_testkit::transcripts::{Door, Line, Needs, Visitor, play_all};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::client::Upgrade;
use super::stage::{ORGANIZATION, PATIENCE, Setup, Stage};

struct SocketDoor(Stage<Stream>);

impl Door for SocketDoor {
    type Line = Socket;

    fn organization(&self) -> OrganizationId {
        ORGANIZATION.parse().unwrap()
    }

    fn offers(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing | Needs::Order | Needs::LargeMessages | Needs::Deadlines => true,
        }
    }

    async fn connect(&self, visitor: Visitor) -> Self::Line {
        let Self(stage) = self;
        let session = visitor.session.to_string();
        let upgrade = Upgrade::signed_in(stage.address, stage.clock.now(), &session);
        Socket(upgrade.connect(stage.address).await.socket)
    }

    async fn records(&self, visitor: Visitor) -> Vec<CallRecord> {
        let Self(stage) = self;
        stage.emptied().await;
        let session = visitor.session.to_string();
        let records = stage.records().await.into_iter();
        records.filter(|record| record.session_id == session).collect()
    }
}

struct Socket(WebSocketStream<TcpStream>);

impl Line for Socket {
    async fn say(&mut self, text: String) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    async fn hear(&mut self) -> Option<String> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.ok()?? {
                Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Binary(_) | Message::Close(_) | Message::Frame(_)) | Err(_) => {
                    return None;
                }
            }
        }
    }

    async fn leave(self) {
        drop(self);
    }
}

/// Half a minute is three seconds.
fn setup(hears: Hearing) -> Setup {
    let mut setup = Setup::at_speed(10.0);
    setup.host.engine.hears = hears;
    setup.host.engine.linger = Duration::from_secs(1);
    setup
}

#[tokio::test(start_paused = true)]
async fn transcripts_are_held_by_a_door_that_hears() {
    play_all(&SocketDoor(setup(Hearing::Audio).start())).await;
}

#[tokio::test(start_paused = true)]
async fn transcripts_are_held_by_a_door_that_hears_nothing() {
    play_all(&SocketDoor(setup(Hearing::Nothing).start())).await;
}
