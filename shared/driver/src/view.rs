//! The latest conversation on its way to one session: a box with room for one.
//!
//! Every frame that comes makes the session look here, so a look costs a lock and nothing else:
//! nothing is registered that has to be taken back.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use sidetone_engine::Conversation;

use crate::lock::lock;

/// What one session is to see of its conversation.
#[derive(Debug, Default)]
pub(crate) struct View(Mutex<Shown>);

#[derive(Debug, Default)]
struct Shown {
    latest: Option<Arc<Conversation>>,
    waker: Option<Waker>,
}

impl View {
    /// Shows a conversation, instead of one that was not seen yet.
    pub(crate) fn show(&self, conversation: Arc<Conversation>) {
        let waker = {
            let mut shown = lock(&self.0);
            shown.latest = Some(conversation);
            shown.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes what is shown; wakes the task of the last look once there is something.
    pub(crate) fn poll_news(&self, cx: &Context<'_>) -> Poll<Arc<Conversation>> {
        let mut shown = lock(&self.0);
        if let Some(conversation) = shown.latest.take() {
            return Poll::Ready(conversation);
        }
        match &mut shown.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn shows_the_latest_once_and_wakes_who_waits() {
        let view = Arc::new(View::default());
        view.show(Arc::default());
        let latest = Arc::new(Conversation::default());
        view.show(Arc::clone(&latest));
        let seen = poll_fn(|cx| view.poll_news(cx)).await;
        assert!(Arc::ptr_eq(&seen, &latest));
        let shared = Arc::clone(&view);
        let waits = tokio::spawn(async move { poll_fn(|cx| shared.poll_news(cx)).await });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        view.show(Arc::default());
        waits.await.unwrap();
    }
}
