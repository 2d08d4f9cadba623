//! The signals that end the door: first kindly, then at once.

use std::io;

use sidetone_socket_door::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM, as ECS sends it, and Ctrl-C.
#[derive(Debug)]
pub(crate) struct Signals {
    term: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over.
    pub(crate) fn new() -> io::Result<Self> {
        let (term, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { term: signal(term)?, interrupt: signal(interrupt)? })
    }

    /// Passes them on for ever.
    pub(crate) async fn pass_on(mut self, stop: Stop) {
        self.next().await;
        tracing::info!("told to stop");
        stop.drain();
        self.next().await;
        tracing::warn!("told to stop at once");
        stop.now();
        std::future::pending().await
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
