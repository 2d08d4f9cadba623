//! The loop of a consumer: read, handle, note as finished, until told to stop.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use sidetone_ports::{Checkpoints, Clock, RecordSource, Sequence, StoreError};

use crate::subscription::{Batch, Subscription};

/// How long a consumer waits after a fault before it tries the same again.
///
/// Short against the 60 s outage the design allows for, long against a busy loop.
pub(crate) const RETRY_WAIT: Duration = Duration::from_millis(500);

/// Why a handler could not handle a batch; it is handed the same batch again.
pub type HandlerError = Box<dyn std::error::Error + Send + Sync>;

/// What a consumer does with what it reads.
pub trait Handler: Send {
    /// Handles a batch, possibly for the second time; an empty one if nothing came for a while.
    fn handle(&mut self, batch: &Batch) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// Hands every batch to a handler until `shutdown` resolves; the batch in hand is finished
/// first.
///
/// Faults are logged and tried again: a consumer waits for its stream and its stores.
pub async fn follow<S, C, H>(
    subscription: &mut Subscription<S, C>,
    handler: &mut H,
    clock: Clock,
    shutdown: impl Future<Output = ()> + Send,
) where
    S: RecordSource,
    C: Checkpoints,
    H: Handler,
{
    let mut shutdown = pin!(shutdown);
    let mut failed = false;
    loop {
        let read = tokio::select! {
            biased;
            () = &mut shutdown => return,
            read = subscription.next() => read,
        };
        let outcome = match read {
            Ok(batch) => {
                loop {
                    let Err(error) = handler.handle(&batch).await else { break };
                    tracing::error!(error = &*error, "a batch could not be handled");
                    tokio::select! {
                        biased;
                        () = &mut shutdown => return,
                        () = clock.sleep(RETRY_WAIT) => {}
                    }
                }
                // A checkpoint that could not be saved is saved with the next batch.
                subscription.finish(&batch).await
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => failed = false,
            Err(error) => {
                if !failed {
                    tracing::error!(error = &error as &dyn std::error::Error, "the stream waits");
                }
                failed = true;
                tokio::select! {
                    biased;
                    () = &mut shutdown => return,
                    () = clock.sleep(RETRY_WAIT) => {}
                }
            }
        }
    }
}

/// Checkpoints for whoever keeps none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCheckpoints;

impl Checkpoints for NoCheckpoints {
    async fn checkpoint(&self, _consumer: &str) -> Result<Sequence, StoreError> {
        Ok(0)
    }

    async fn save_checkpoint(
        &self,
        _consumer: &str,
        _sequence: Sequence,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription::SubscriptionSettings;
    use crate::testing::{MemoryCheckpoints, MemoryStream, Script, stream_of};

    struct Stubborn {
        refusals: u32,
        handled: usize,
        done: Option<tokio::sync::oneshot::Sender<()>>,
    }

    impl Handler for Stubborn {
        async fn handle(&mut self, batch: &Batch) -> Result<(), HandlerError> {
            if self.refusals > 0 {
                self.refusals -= 1;
                return Err("not yet".into());
            }
            self.handled += batch.items.len();
            if self.handled == 10
                && let Some(done) = self.done.take()
            {
                done.send(()).unwrap();
            }
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_stream_and_handler_and_loses_nothing() {
        let parts = Script::new("c").start("matched").frames(0, 800).end(6_400).parts(3);
        let stream = MemoryStream::of(stream_of(parts));
        stream.fail(3);
        let checkpoints = MemoryCheckpoints::default();
        let (done, shutdown) = tokio::sync::oneshot::channel();
        let mut handler = Stubborn { refusals: 2, handled: 0, done: Some(done) };
        let settings = SubscriptionSettings { read_max: 2, ..SubscriptionSettings::new("test") };
        let mut subscription = Subscription::new(stream, checkpoints.clone(), settings);
        follow(&mut subscription, &mut handler, Clock::system(), async {
            shutdown.await.unwrap();
        })
        .await;
        assert_eq!(handler.handled, 10);
        assert_eq!(checkpoints.0.lock().unwrap().get("test"), Some(&4));
    }
}
