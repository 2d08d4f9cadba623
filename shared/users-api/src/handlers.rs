//! One function an operation: a request in, `users` called, an answer out.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sidetone_model::{AgentId, User};
use sidetone_ports::{
    ChangeOrigin, ChangeWay, Clock, HistoryQuery, Revision, UserQuery, UserStore,
};
use sidetone_user_file::{Fields, FileStyle, agent_id as agent_id_of, write};
use sidetone_users::{Absent, Intent, Removals, Users, UsersError};

use crate::caller::Caller;
use crate::import::import as import_file;
use crate::problem::Problem;
use crate::views::{
    ExportQuery, HistoryParameters, HistoryView, ImportQuery, ListQuery, OutcomeView, TryQuery,
    UserFields, UserPage,
};

/// How many entries a page has if nobody says.
const PAGE_DEFAULT: usize = 100;
/// How many entries a page has at most.
const PAGE_MAX: usize = 500;

/// What every handler has.
#[derive(Clone)]
pub(crate) struct Api<S> {
    store: S,
    users: Users<S>,
    clock: Clock,
}

impl<S: UserStore> Api<S> {
    pub(crate) fn new(store: S, clock: Clock) -> Self {
        Self { users: Users::new(store.clone()), store, clock }
    }

    fn origin(&self, caller: &Caller, way: ChangeWay) -> ChangeOrigin {
        ChangeOrigin { at: self.clock.now(), by: caller.name.clone(), way }
    }
}

type Answer<T> = Result<T, Problem>;

/// Returns a page of users in order of agent id, of those in whom some words are found.
pub(crate) async fn list<S: UserStore>(
    State(api): State<Api<S>>,
    caller: Caller,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Answer<Json<UserPage>> {
    let Query(ListQuery { limit, after, find }) = query?;
    let limit = page(limit)?;
    let words: Vec<String> =
        find.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
    let found = |user: &User| {
        let fields = Fields::of(user).in_order().map(str::to_lowercase);
        words.iter().all(|word| fields.iter().any(|field| field.contains(word.as_str())))
    };
    // Most of many are not found by words, so many are read at once; else one more tells whether
    // a page follows.
    let read_at_once = if words.is_empty() { limit + 1 } else { PAGE_MAX };
    let mut query = UserQuery { after: after.map(AgentId::new), limit: read_at_once };
    let mut users: Vec<User> = Vec::new();
    loop {
        let read = api.store.user_page(caller.organization, &query).await?;
        for user in read.users.into_iter().filter(&found) {
            if users.len() == limit {
                let next = users.last().map(|user| user.agent.clone());
                return Ok(Json(UserPage { users, next }));
            }
            users.push(user);
        }
        if read.next.is_none() {
            return Ok(Json(UserPage { users, next: None }));
        }
        query.after = read.next;
    }
}

/// Returns one user.
pub(crate) async fn find<S: UserStore>(
    State(api): State<Api<S>>,
    caller: Caller,
    agent: Result<Path<String>, PathRejection>,
) -> Answer<Json<User>> {
    let agent = agent_id(agent)?;
    let user = api.store.user(caller.organization, &agent).await?;
    user.map(Json).ok_or_else(|| Problem::no_user(&agent))
}

/// Adds one user.
pub(crate) async fn create<S: UserStore>(
    State(api): State<Api<S>>,
    caller: Caller,
    fields: Result<Json<UserFields>, JsonRejection>,
) -> Answer<Response> {
    let Json(fields) = fields?;
    let user = fields.over(Fields::default()).check();
    let user = user.map_err(|errors| UsersError::Fields { errors })?;
    let origin = api.origin(&caller, ChangeWay::Api);
    api.users.add(caller.organization, user.clone(), Intent::Commit(&origin)).await?;
    let place = format!("/v1/users/{}", encoded(&user.agent));
    Ok((StatusCode::CREATED, [(LOCATION, place)], Json(user)).into_response())
}

/// Changes the fields of one user that are named, and no others.
pub(crate) async fn change<S: UserStore>(
    State(api): State<Api<S>>,
    caller: Caller,
    agent: Result<Path<String>, PathRejection>,
    fields: Result<Json<UserFields>, JsonRejection>,
) -> Answer<Json<User>> {
    let agent = agent_id(agent)?;
    let Json(fields) = fields?;
    if fields.names_an_agent() {
        return Err(Problem::parameter("agent", "is the key, and cannot be changed"));
    }
    let origin = api.origin(&caller, ChangeWay::Api);
    let edit = |user: &User| fields.over(Fields::of(user)).check();
    api.users.edit(caller.organization, &agent, &edit, Intent::Commit(&origin)).await?;
    let user = api.store.user(caller.organization, &agent).await?;
    user.map(Json).ok_or_else(|| Problem::no_user(&agent))
}

/// Removes one user.
pub(crate) async fn remove<S: UserStore>(
    State(api): State<Api<S>>,
    caller: Caller,
    agent: Result<Path<String>, PathRejection>,
) -> Answer<StatusCode> {
    let agents = [agent_id(agent)?];
    let origin = api.origin(&caller, ChangeWay::Api);
    api.users.remove(caller.organization, &agents, Removals::Few, Intent::Commit(&origin)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Imports a file.
pub(crate) async fn import<S: UserStore>(
    State(api): State<Api<S>>,
    caller: Caller,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<OutcomeView>> {
    let ImportQuery { dry_run, replace, removals, options } = ImportQuery::of(query?.0)?;
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().is_none_or(|kind| !kind.trim().eq_ignore_ascii_case("text/csv")) {
        let (status, title) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not what is documented");
        return Err(Problem::new(status, title, "send text/csv"));
    }
    let absent = if replace { Absent::Remove(removals) } else { Absent::Stay };
    let origin = api.origin(&caller, ChangeWay::Api);
    let intent = intent(dry_run, &origin);
    import_file(&api.users, caller.organization, &body?, &options, absent, intent).await.map(Json)
}

/// Exports all users as the file that import reads.
pub(crate) async fn export<S: UserStore>(
    State(api): State<Api<S>>,
    caller: Caller,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Answer<Response> {
    let Query(ExportQuery { excel }) = query?;
    let style = if excel { FileStyle::Excel } else { FileStyle::Plain };
    let users = api.store.users(caller.organization).await?;
    let mut csv = Vec::new();
    // Writing into memory does not fail.
    write(&mut csv, &users, style).map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "not written", error.to_string())
    })?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"users.csv\""),
    ];
    Ok((headers, csv).into_response())
}

/// Returns a page of history, newest first.
pub(crate) async fn history<S: UserStore>(
    State(api): State<Api<S>>,
    caller: Caller,
    query: Result<Query<HistoryParameters>, QueryRejection>,
) -> Answer<Json<HistoryView>> {
    let Query(HistoryParameters { limit, before, agent }) = query?;
    let before = before.map(|place| place.parse()).transpose();
    let before = before.map_err(|_| Problem::parameter("before", "is no `next` of a page"))?;
    let agent = agent.as_deref().map(agent_id_of);
    let query = HistoryQuery { agent, before, limit: page(limit)? };
    let page = api.store.user_history(caller.organization, &query).await?;
    Ok(Json(HistoryView::new(page)))
}

/// Takes a change back, whole.
pub(crate) async fn undo<S: UserStore>(
    State(api): State<Api<S>>,
    caller: Caller,
    change: Result<Path<Revision>, PathRejection>,
    query: Result<Query<TryQuery>, QueryRejection>,
) -> Answer<Json<OutcomeView>> {
    let Path(change) = change?;
    let Query(TryQuery { dry_run }) = query?;
    let origin = api.origin(&caller, ChangeWay::Api);
    let intent = intent(dry_run, &origin);
    let outcome = api.users.undo(caller.organization, change, intent).await?;
    Ok(Json(OutcomeView::new(outcome, dry_run)))
}

const fn intent(dry_run: bool, origin: &ChangeOrigin) -> Intent<'_> {
    if dry_run { Intent::DryRun } else { Intent::Commit(origin) }
}

fn agent_id(path: Result<Path<String>, PathRejection>) -> Answer<AgentId> {
    let Path(agent) = path?;
    Ok(agent_id_of(&agent))
}

fn page(limit: Option<usize>) -> Answer<usize> {
    match limit.unwrap_or(PAGE_DEFAULT) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        _ => Err(Problem::parameter("limit", format!("must be from 1 to {PAGE_MAX}"))),
    }
}

/// Writes an agent id as one segment of a path.
fn encoded(agent: &AgentId) -> String {
    let mut text = String::new();
    for byte in agent.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@+".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text += &format!("%{byte:02X}");
        }
    }
    text
}
