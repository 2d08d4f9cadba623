//! The operations that ask Genesys: users as it has them, and who should be listened to and is
//! not.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{Method, Uri};
use sidetone_ports::{CallStore, ChangeOrigin, ChangeWay, Clock, OrganizationStore, UserStore};
use sidetone_tracking::{Coverage, PeopleScope, PlatformClient};
use sidetone_users::{Absent, Intent, Removals, Users};

use crate::caller::Caller;
use crate::platforms::Platforms;
use crate::problem::Problem;
use crate::views::{SyncRequest, SyncView};

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

/// What follows `/v1/users/` where it is no agent's id.
const SYNC: &str = "sync";

/// Adds and updates users as Genesys has them. An agent may be called `sync`, too, so the path is
/// shared with the operations on one user.
pub(crate) async fn sync<S, P>(
    State(asking): State<Asking<S, P>>,
    caller: Caller,
    agent: Result<Path<String>, PathRejection>,
    method: Method,
    uri: Uri,
    request: Result<Json<SyncRequest>, JsonRejection>,
) -> Result<Json<SyncView>, Problem>
where
    S: UserStore,
    P: Platforms,
{
    if agent?.0 != SYNC {
        return Err(Problem::not_like_that(&method, &uri));
    }
    let Json(SyncRequest { queues, groups, divisions, dry_run, remove_vanished, confirm_removals }) =
        request?;
    let removals = confirm_removals.map_or(Removals::Few, Removals::UpTo);
    let scope = PeopleScope { queues, groups, divisions };
    let platform = asking.platform(&caller).await?;
    let people = platform.people(caller.organization, &scope, &|_| {});
    let people = asking.asked(people).await?;
    let vanished = if remove_vanished { Absent::Remove(removals) } else { Absent::Stay };
    let origin = ChangeOrigin { at: asking.clock.now(), by: caller.name, way: ChangeWay::Sync };
    let intent = if dry_run { Intent::DryRun } else { Intent::Commit(&origin) };
    let users = Users::new(asking.store);
    let synced = users.sync(caller.organization, &people, vanished, intent).await?;
    Ok(Json(SyncView::new(synced, dry_run)))
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
