//! A panic in one session's task, and what a task weighs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sidetone_audiohook_proto::Handshake;
use sidetone_driver::{Input, Refusals, SocketOutput};
use sidetone_model::Timestamp;
use sidetone_ports::Clock;
use sidetone_ports_embedded::{Store, Stream};
use sidetone_testkit::{fresh_organization, fresh_session};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::DoorConfig;
use crate::door::Core;
use crate::line::Line;
use crate::session::{isolated, task_bytes};
use crate::talk::{Scene, Talk, converse};

/// Says back what it hears, and panics at the word.
#[derive(Default)]
struct Echo(Vec<SocketOutput>);

impl Talk for Echo {
    fn handle(&mut self, input: Input<'_>) {
        if let Input::Text(text) = input {
            assert_ne!(text, "panic", "as the test asked");
            self.0.push(SocketOutput::Text(text.to_owned()));
        }
    }

    fn poll_socket(&mut self) -> Option<SocketOutput> {
        self.0.pop()
    }

    fn deadline(&self) -> Option<Timestamp> {
        None
    }

    async fn changed(&mut self) {
        std::future::pending().await
    }
}

async fn echo(core: &Arc<Core>) -> (WebSocketStream<TcpStream>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let handshake =
        Handshake { organization: fresh_organization(), session_id: fresh_session().into() };
    let mut scene = Scene::new(&handshake, Instant::now());
    let (session, connection) = (scene.session, scene.connection.clone());
    let (core, watch) = (Arc::clone(core), Arc::clone(core));
    let work = async move {
        let mut line = Line::new(server, &[]);
        converse(&mut line, &mut Echo::default(), &core, &mut scene).await;
    };
    let task = tokio::spawn(isolated(watch, session, connection, work));
    (WebSocketStream::from_raw_socket(client, Role::Client, None).await, task)
}

#[tokio::test(start_paused = true)]
async fn c94_a_panic_ends_one_session_and_no_other() {
    let core = Arc::new(Core::new(
        DoorConfig::default(),
        Clock::scaled(1.0),
        Vec::new(),
        Refusals::default(),
    ));
    let (mut first, first_task) = echo(&core).await;
    let (mut second, second_task) = echo(&core).await;
    first.send(Message::text("panic")).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(5), first.next()).await.unwrap();
    assert!(matches!(end, None | Some(Err(_))), "{end:?}");
    first_task.await.expect("the panic went no further than the session");
    second.send(Message::text("still there")).await.unwrap();
    assert_eq!(second.next().await.unwrap().unwrap(), Message::text("still there"));
    second.close(None).await.unwrap();
    second_task.await.unwrap();
}

#[test]
fn a_session_is_small_beside_its_read_buffer() {
    let bytes = task_bytes::<Store, Stream>();
    assert!(bytes < 2_560, "a session's task has {bytes} bytes");
}
