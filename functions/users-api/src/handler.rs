//! One request: let in by its token, answered by the router.

use axum::response::{IntoResponse, Response};
use sidetone_organizations::Organizations;
use sidetone_organizations_api::router as organizations_router;
use sidetone_ports::{CallStore, Clock, OrganizationSecrets, OrganizationStore, UserStore};
use sidetone_users_api::{Platforms, router};
use tower::ServiceExt;

use crate::answer::{Answer, Asked};
use crate::caller::bearer;
use crate::event::HttpEvent;
use crate::request::request;

/// Handles the function's events.
pub(crate) struct Handler<S, P, X> {
    store: S,
    platforms: P,
    secrets: X,
    organization_claim: String,
}

impl<S, P, X> Handler<S, P, X>
where
    S: UserStore + CallStore + OrganizationStore,
    P: Platforms,
    X: OrganizationSecrets,
{
    /// Prepares to answer for the users and organizations of a store.
    pub(crate) const fn new(
        store: S,
        platforms: P,
        secrets: X,
        organization_claim: String,
    ) -> Self {
        Self { store, platforms, secrets, organization_claim }
    }

    /// Answers a request, whatever it is.
    pub(crate) async fn answer(&self, event: HttpEvent, clock: Clock) -> Answer {
        let method = event.request_context.http.method.as_str();
        let asked = Asked::new(method, event.header("accept-encoding"));
        Answer::of(self.respond(event, clock).await, &asked).await
    }

    async fn respond(&self, event: HttpEvent, clock: Clock) -> Response {
        let request = bearer(&event, &self.organization_claim)
            .and_then(|bearer| request(event).map(|request| (bearer, request)));
        match request {
            Ok((bearer, mut request)) => {
                bearer.put_beside(&mut request);
                let organizations = Organizations::new(self.store.clone(), self.secrets.clone());
                let router = router(self.store.clone(), self.platforms.clone(), clock);
                router
                    .merge(organizations_router(organizations, clock))
                    .oneshot(request)
                    .await
                    .into_response()
            }
            Err(problem) => problem.into_response(),
        }
    }
}

#[cfg(test)]
mod tests;
