//! Clients that die, stand still, or do not hear what they are answered.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};

/// How long a client may take until it stands still.
const LOOKS_MAX: u32 = 6_000;
/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Returns a client that behaves otherwise, as told.
pub(crate) fn troubled(client: &Client, trouble: impl Intercept + 'static) -> Client {
    Client::from_conf(client.config().to_builder().interceptor(trouble).build())
}

/// Sends some requests and none after them, as a process that was killed.
#[derive(Debug)]
pub(crate) struct Dying {
    left: AtomicUsize,
}

impl Dying {
    pub(crate) fn after(requests: usize) -> Self {
        Self { left: AtomicUsize::new(requests) }
    }
}

impl Intercept for Dying {
    fn name(&self) -> &'static str {
        "Dying"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Outcome {
        let left =
            self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| "dead, as the test asked".into())
    }
}

/// Does not hear the first answer that says that all is well.
#[derive(Debug, Default)]
pub(crate) struct Deaf {
    has_missed: AtomicBool,
}

impl Intercept for Deaf {
    fn name(&self) -> &'static str {
        "Deaf"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Outcome {
        let is_good = context.response().status().is_success();
        if is_good && !self.has_missed.swap(true, Ordering::AcqRel) {
            *context.response_mut().status_mut() = 503_u16.try_into()?;
        }
        Ok(())
    }
}

/// Stands still before one of its requests until it is released. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Halting(Arc<Halt>);

#[derive(Debug)]
struct Halt {
    left: AtomicUsize,
    /// Whether it stands still, and whether it was released.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Halting {
    pub(crate) fn after(requests: usize) -> Self {
        let left = AtomicUsize::new(requests);
        Self(Arc::new(Halt { left, state: Mutex::default(), changed: Condvar::new() }))
    }

    /// Waits until it stands still.
    pub(crate) async fn halted(&self) {
        for _ in 0..LOOKS_MAX {
            if self.0.state.lock().expect("not poisoned").0 {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("it must come to the request before which it stands still");
    }

    pub(crate) fn release(&self) {
        self.0.state.lock().expect("not poisoned").1 = true;
        self.0.changed.notify_all();
    }
}

impl Halt {
    fn stand_still(&self) {
        let mut state = self.state.lock().expect("not poisoned");
        state.0 = true;
        while !state.1 {
            state = self.changed.wait(state).expect("not poisoned");
        }
    }
}

impl Intercept for Halting {
    fn name(&self) -> &'static str {
        "Halting"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Outcome {
        let left = self
            .0
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        if left.is_err() {
            // Others' tasks must not wait behind this one on the same thread.
            tokio::task::block_in_place(|| self.0.stand_still());
        }
        Ok(())
    }
}
