//! The operations that ask Genesys: who should be listened to and is not.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use sidetone_ports::{CallStore, Clock, OrganizationStore, UserStore};
use sidetone_tracking::{Coverage, PlatformClient};

use crate::caller::Caller;
use crate::platforms::Platforms;
use crate::problem::Problem;

/// How long Genesys may be asked: a little less than an API Gateway waits for an answer.
const ASKING_TIME_MAX: Duration = Duration::from_secs(25);

/// What every handler has that asks Genesys.
#[derive(Clone)]
pub(crate) struct Asking<S, P> {
    pub(crate) store: S,
    pub(crate) platforms: P,
    pub(crate) clock: Clock,
}

impl<S, P: Platforms> Asking<S, P> {
    async fn platform(&self, caller: &Caller) -> Result<PlatformClient, Problem> {
        self.platforms.platform(caller.organization).await?.ok_or_else(Problem::no_client)
    }

    /// Asks, and gives up while the caller still waits.
    async fn asked<T, E: Into<Problem>>(
        &self,
        asking: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, Problem> {
        match self.clock.timeout(ASKING_TIME_MAX, asking).await {
            Some(answer) => answer.map_err(Into::into),
            None => Err(Problem::takes_too_long()),
        }
    }
}

/// Says who should be listened to and is not.
pub(crate) async fn coverage<S, P>(
    State(asking): State<Asking<S, P>>,
    caller: Caller,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<Coverage>, Problem>
where
    S: UserStore + CallStore + OrganizationStore,
    P: Platforms,
{
    let Query(parameters) = query?;
    let mut queues = Vec::new();
    for (name, value) in parameters {
        if name != "queue" {
            return Err(Problem::parameter(&name, "is not documented"));
        }
        queues.push(value);
    }
    let platform = asking.platform(&caller).await?;
    let organization = caller.organization;
    let found = sidetone_tracking::coverage(&platform, &asking.store, organization, &queues);
    Ok(Json(asking.asked(found).await?))
}
