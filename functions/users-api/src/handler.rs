//! One request: let in by its token, answered by the router.

use axum::response::{IntoResponse, Response};
use sidetone_ports::{CallStore, Clock, OrganizationStore, UserStore};
use sidetone_users_api::{Platforms, router};
use tower::ServiceExt;

use crate::answer::{Answer, Asked};
use crate::caller::caller;
use crate::event::HttpEvent;
use crate::request::request;

/// Handles the function's events.
pub(crate) struct Handler<S, P> {
    store: S,
    platforms: P,
    organization_claim: String,
}

impl<S, P> Handler<S, P>
where
    S: UserStore + CallStore + OrganizationStore,
    P: Platforms,
{
    /// Prepares to answer for the users of a store.
    pub(crate) const fn new(store: S, platforms: P, organization_claim: String) -> Self {
        Self { store, platforms, organization_claim }
    }

    /// Answers a request, whatever it is.
    pub(crate) async fn answer(&self, event: HttpEvent, clock: Clock) -> Answer {
        let method = event.request_context.http.method.as_str();
        let asked = Asked::new(method, event.header("accept-encoding"));
        Answer::of(self.respond(event, clock).await, &asked).await
    }

    async fn respond(&self, event: HttpEvent, clock: Clock) -> Response {
        let request = caller(&event, &self.organization_claim)
            .and_then(|caller| request(event).map(|request| (caller, request)));
        match request {
            Ok((caller, mut request)) => {
                request.extensions_mut().insert(caller);
                let router = router(self.store.clone(), self.platforms.clone(), clock);
                router.oneshot(request).await.into_response()
            }
            Err(problem) => problem.into_response(),
        }
    }
}

#[cfg(test)]
mod tests;
