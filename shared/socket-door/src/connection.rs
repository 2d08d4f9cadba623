//! One connection from its acceptance to its upgrade, or to its answer.
//!
//! HTTP needs buffers and states of its own; they live in this task, which ends when the
//! session begins in another.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use sidetone_listener::Connection;
use sidetone_ports::{CallStore, Mailbox, NonceStore, OwnerStore, RecordSink, SecretSource};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::config::{DoorPace, HEAD_BYTES_MAX, HEADERS_MAX};
use crate::door::House;
use crate::gate::{Gate, Slot, Welcome};
use crate::line::see_off;
use crate::session::{self, Upgraded};

/// How long a client may take to read its answer and leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Makes what serves the HTTP of every connection: one request each, within its limits.
pub(crate) fn http(pace: &DoorPace, speed: f64) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(pace.header_within.div_f64(speed))
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    http
}

/// Serves a connection, and starts what its upgrade leads to.
pub(crate) async fn serve<S, R, K>(
    house: Arc<House<S, R, K>>,
    stream: TcpStream,
    peer: SocketAddr,
    held: Connection,
) where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
    K: SecretSource,
{
    let accepted_at = Instant::now();
    let core = &house.core;
    let slot = Slot::default();
    let gate = Gate {
        core: Arc::clone(core),
        authenticator: Arc::clone(&house.authenticator),
        peer,
        slot: slot.clone(),
        held: held.clone(),
    };
    let mut connection = house.http.serve_connection(TokioIo::new(stream), gate);
    let served = poll_fn(|cx| connection.poll_without_shutdown(cx));
    let served = core.clock.timeout(core.config.pace.upgrade_within, served);
    let served = tokio::select! {
        served = served => served,
        () = held.evicted() => return,
    };
    let Some(served) = served else {
        tracing::debug!(%peer, "connection neither upgraded nor answered in time");
        return;
    };
    let parts = connection.into_parts();
    let (mut stream, early) = (parts.io.into_inner(), parts.read_buf);
    match (slot.take(), served) {
        (Some(welcome), Ok(())) => {
            drop(held);
            let upgraded = Upgraded { stream, early, accepted_at };
            enter(&house, upgraded, welcome);
        }
        (_, Err(error)) if error.is_user() => {
            tracing::debug!(%peer, %error, "connection closed without an answer");
        }
        (_, served) => {
            if let Err(error) = served {
                tracing::debug!(%peer, %error, "connection ended before its upgrade");
            }
            see_off(&mut stream, &core.clock, LEAVE_WITHIN).await;
        }
    }
}

fn enter<S, R, K>(house: &House<S, R, K>, upgraded: Upgraded, welcome: Welcome)
where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
    K: SecretSource,
{
    let core = Arc::clone(&house.core);
    match welcome {
        Welcome::Session(admitted, place, open) => {
            let session = session::hold(core, &house.host, upgraded, admitted, (place, open));
            house.core.tasks.spawn(session);
        }
        Welcome::Turnaway(handshake, why, place) => {
            let farewell = session::turn_away(core, upgraded, handshake, why, place);
            house.core.tasks.spawn(farewell);
        }
    }
}
