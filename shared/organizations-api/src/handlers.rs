//! One function an operation: a request in, `organizations` called, an answer out.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use sidetone_model::OrganizationId;
use sidetone_organizations::{HistoryView, Organizations, Standing};
use sidetone_ports::{
    ChangeOrigin, ChangeWay, Clock, OrganizationSecrets, OrganizationStore, SettingsQuery,
};
use sidetone_users_api::Problem;

use crate::asker::Asker;
use crate::problem::{bad_field, no_organization, problem};
use crate::views::{HistoryParameters, OrganizationFields, OrganizationList, RemovedView};

/// How many entries a page of history has if nobody says.
const PAGE_DEFAULT: usize = 100;
/// How many entries it has at most.
const PAGE_MAX: usize = 500;

/// What every handler has.
#[derive(Clone)]
pub(crate) struct Api<S, X> {
    pub(crate) organizations: Organizations<S, X>,
    pub(crate) clock: Clock,
}

impl<S, X> Api<S, X> {
    fn origin(&self, asker: &Asker) -> ChangeOrigin {
        ChangeOrigin { at: self.clock.now(), by: asker.name.clone(), way: ChangeWay::Api }
    }
}

type Answer<T> = Result<T, Problem>;

/// Returns all organizations that the asker reaches.
pub(crate) async fn list<S: OrganizationStore, X: OrganizationSecrets>(
    State(api): State<Api<S, X>>,
    asker: Asker,
) -> Answer<Json<OrganizationList>> {
    let mut all = api.organizations.list().await.map_err(problem)?;
    all.retain(|one| asker.reaches(one.settings.id));
    Ok(Json(OrganizationList { organizations: all }))
}

/// Returns one organization.
pub(crate) async fn show<S: OrganizationStore, X: OrganizationSecrets>(
    State(api): State<Api<S, X>>,
    asker: Asker,
    id: Result<Path<String>, PathRejection>,
) -> Answer<Json<Standing>> {
    let id = within_reach(&asker, id)?;
    api.organizations.show(id).await.map(Json).map_err(problem)
}

/// Adds an organization.
pub(crate) async fn create<S: OrganizationStore, X: OrganizationSecrets>(
    State(api): State<Api<S, X>>,
    asker: Asker,
    said: Result<Json<OrganizationFields>, JsonRejection>,
) -> Answer<Response> {
    asker.operates()?;
    let Json(fields) = said.map_err(unreadable)?;
    let organization = fields.organization.ok_or_else(|| {
        bad_field("organization", "say which: its id stands in Genesys Cloud's settings")
    })?;
    let change = checked(&asker, fields)?.into_change();
    let added =
        api.organizations.add(organization, &change, &api.origin(&asker)).await.map_err(problem)?;
    let place = format!("/v1/organizations/{organization}");
    Ok((StatusCode::CREATED, [(LOCATION, place)], Json(added)).into_response())
}

/// Changes what is named of one organization, and nothing else.
pub(crate) async fn change<S: OrganizationStore, X: OrganizationSecrets>(
    State(api): State<Api<S, X>>,
    asker: Asker,
    id: Result<Path<String>, PathRejection>,
    said: Result<Json<OrganizationFields>, JsonRejection>,
) -> Answer<Json<Standing>> {
    let id = within_reach(&asker, id)?;
    let Json(fields) = said.map_err(unreadable)?;
    if fields.organization.is_some() {
        return Err(bad_field("organization", "is the key, and cannot be changed"));
    }
    let change = checked(&asker, fields)?.into_change();
    api.organizations.change(id, &change, &api.origin(&asker)).await.map(Json).map_err(problem)
}

/// Removes one organization with its secrets.
pub(crate) async fn remove<S: OrganizationStore, X: OrganizationSecrets>(
    State(api): State<Api<S, X>>,
    asker: Asker,
    id: Result<Path<String>, PathRejection>,
) -> Answer<Json<RemovedView>> {
    let id = within_reach(&asker, id)?;
    asker.operates()?;
    let removed = api.organizations.remove(id, &api.origin(&asker)).await.map_err(problem)?;
    Ok(Json(RemovedView::new(id, removed)))
}

/// Returns a page of an organization's history, newest first.
pub(crate) async fn history<S: OrganizationStore, X: OrganizationSecrets>(
    State(api): State<Api<S, X>>,
    asker: Asker,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<HistoryParameters>, QueryRejection>,
) -> Answer<Json<HistoryView>> {
    let id = within_reach(&asker, id)?;
    let Query(HistoryParameters { limit, before }) = query?;
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::parameter("limit", format!("must be from 1 to {PAGE_MAX}")));
    }
    let page = api.organizations.history(id, &SettingsQuery { before, limit }).await;
    Ok(Json(HistoryView::new(id, page.map_err(problem)?)))
}

/// Returns the organization that a path names; what is out of reach is not there, and neither
/// is what can be no organization.
fn within_reach(asker: &Asker, id: Result<Path<String>, PathRejection>) -> Answer<OrganizationId> {
    let Path(text) = id?;
    let id: OrganizationId = text.parse().map_err(|_| {
        let detail = "the path names no organization's id";
        Problem::new(StatusCode::NOT_FOUND, "no such organization", detail)
    })?;
    if asker.reaches(id) { Ok(id) } else { Err(no_organization(id)) }
}

fn checked(asker: &Asker, fields: OrganizationFields) -> Answer<OrganizationFields> {
    if fields.names_two_places() {
        return Err(bad_field("hosts", "name a region or hosts, not both"));
    }
    // They lie beside the deployment, where its own services do.
    if fields.names_hosts() {
        asker.operates()?;
    }
    Ok(fields)
}

/// Says that a body cannot be read, but not in the reader's words, which may quote a secret.
fn unreadable(error: JsonRejection) -> Problem {
    match error {
        JsonRejection::JsonDataError(_) => {
            let detail = "a field is unknown, missing or of another kind; see openapi.json";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad fields", detail)
        }
        JsonRejection::JsonSyntaxError(_) => {
            Problem::new(StatusCode::BAD_REQUEST, "no JSON", "the body is no JSON")
        }
        error @ (JsonRejection::MissingJsonContentType(_)
        | JsonRejection::BytesRejection(_)
        | _) => error.into(),
    }
}
