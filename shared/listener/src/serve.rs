//! Serves a router on a socket, within a guard's limits and with a deadline for each part.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{Request, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::connections::Connection;
use crate::guard::Guard;

/// How long the listener waits before it accepts again when the process is out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection may take to finish once the server stops or its life is over.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// How long each part of a connection may take, and how large a request may be.
///
/// Units: real time.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// For the head of a request, and for the silence before it.
    pub header_within: Duration,
    /// For the body of a request, as a whole.
    pub body_within: Duration,
    /// For a connection with all its requests.
    pub connection_within: Duration,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// Refusals that are held back at once; a connection above that is closed without an answer.
    pub refusals_max: usize,
}

struct Server {
    guard: Guard,
    limits: ServeLimits,
    router: Router,
    refusals: Semaphore,
}

/// Serves a router until told to stop; requests that run then are answered.
///
/// An answer with status 401 counts as a failed authentication of its source and is held back
/// the longer the more of them there are. Correct credentials are never delayed.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    guard: Guard,
    limits: ServeLimits,
    stop: CancellationToken,
) {
    let refusals = Semaphore::new(limits.refusals_max);
    let server = Arc::new(Server { guard, limits, router, refusals });
    let connections = TaskTracker::new();
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let Some(held) = server.guard.admit(peer.ip()) else { continue };
                    let (server, stop) = (Arc::clone(&server), stop.clone());
                    connections.spawn(server.connection(stream, peer, held, stop));
                }
                Err(error) => {
                    if server.guard.sampler().permit("connection not accepted") {
                        tracing::error!(%error, "connection not accepted, pausing");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        never = server.guard.report() => match never {},
        () = stop.cancelled() => {}
    }
    connections.close();
    // A client that does not take its answer does not hold up the end.
    let _ = tokio::time::timeout(LEAVE_WITHIN, connections.wait()).await;
}

impl Server {
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        held: Connection,
        stop: CancellationToken,
    ) {
        let limits = self.limits;
        let service = service_fn(|request| {
            // Until the answer is there, the connection is at work.
            let busy = held.busy();
            let server = Arc::clone(&self);
            async move {
                let _busy = busy;
                server.answer(request, peer.ip()).await
            }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.header_within)
            .max_headers(limits.headers_max)
            .max_header_size(limits.head_bytes_max)
            .max_buf_size(limits.head_bytes_max);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let over = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(limits.connection_within) => {}
            }
        };
        tokio::select! {
            served = connection.as_mut() => return ended(peer, served),
            () = held.evicted() => return,
            () = over => {}
        }
        connection.as_mut().graceful_shutdown();
        if let Ok(served) = tokio::time::timeout(LEAVE_WITHIN, connection).await {
            ended(peer, served);
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Result<Response, HangUp> {
        let source = self.guard.source(peer, request.headers());
        let router = self.router.clone();
        let limits = self.limits;
        let request = request.map(|body| Body::new(Timed::new(body, limits.body_within)));
        let response = match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let penalty = self.guard.failed(source);
        if self.guard.sampler().permit("request with wrong credentials") {
            let (source, delay) = (source.map(tracing::field::display), penalty.as_ref());
            let delay_ms = delay.map(|penalty| penalty.delay().as_millis());
            tracing::warn!(%peer, source, delay_ms, "request with wrong credentials refused");
        }
        let Some(penalty) = penalty else { return Err(HangUp) };
        let Ok(_waits) = self.refusals.try_acquire() else { return Err(HangUp) };
        tokio::time::sleep(penalty.delay()).await;
        Ok(response)
    }
}

fn ended(peer: SocketAddr, served: hyper::Result<()>) {
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "connection ended before its request");
    }
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("too many refusals wait already")]
struct HangUp;

/// A request's body that has to arrive as a whole within some time.
struct Timed {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
}

impl Timed {
    fn new(body: Incoming, within: Duration) -> Self {
        Self { body, deadline: Box::pin(tokio::time::sleep(within)) }
    }
}

impl hyper::body::Body for Timed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let late = |()| Some(Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        self.deadline.as_mut().poll(cx).map(late)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
