//! The users API.
//!
//! Source: genesys-cloud.md, sections 2.8 and 5.2.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sidetone_model::{Timestamp, UserId};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::config::{SimUser, UserState};
use super::violation::Breach;
use super::world::World;

/// Entries of a page if the request does not say.
const PAGE_DEFAULT: usize = 25;

/// Entries of the largest page.
const PAGE_MAX: usize = 500;

/// Ids in one request.
const IDS_MAX: usize = 100;

impl World {
    /// Answers `GET /api/v2/users`.
    pub(super) fn list_users(&mut self, now: Timestamp, call: &Call) -> Result<Answer, ApiError> {
        let ids = self.wanted_ids(now, call)?;
        let page = self.page(now, call, PAGE_MAX)?;
        let answer = self.page_of_users(call, page, ids.as_ref())?;
        if let Some(user) = self.put_behind_page.pop_front() {
            self.users.insert(user.id, user);
        }
        Ok(answer)
    }

    fn page_of_users(
        &self,
        call: &Call,
        page: (usize, usize),
        ids: Option<&BTreeSet<UserId>>,
    ) -> Result<Answer, ApiError> {
        let wanted: Vec<&SimUser> = {
            let state = call.parameter("state").unwrap_or_else(|| "active".into());
            if !["active", "inactive", "deleted", "any"].contains(&state.as_str()) {
                return Err(ApiError::bad_request("invalid.value", "unknown state"));
            }
            self.users
                .values()
                .filter(|user| state == "any" || state == user.state.as_str())
                .filter(|user| ids.is_none_or(|ids| ids.contains(&user.id)))
                .collect()
        };
        Ok(listing(call, page, &wanted, |user| self.user_json(user)))
    }

    /// Answers `GET /api/v2/users/{id}`; deleted users only for those who ask for them.
    pub(super) fn user(&self, id: &str, call: &Call) -> Result<Answer, ApiError> {
        let deleted = call.parameter("state").is_some_and(|state| state == "deleted");
        let id: Option<UserId> = id.parse().ok();
        id.and_then(|id| self.users.get(&id))
            .filter(|user| (user.state == UserState::Deleted) == deleted)
            .map(|user| Answer::ok(&self.user_json(user)))
            .ok_or_else(|| ApiError::not_found("general.resource.not.found"))
    }

    /// Writes a user as every list does.
    pub(super) fn user_json(&self, user: &SimUser) -> Value {
        let division = user.division;
        let named = self.config.divisions.iter().find(|one| one.id == division);
        let name = named.map_or("", |one| one.name.as_str());
        json!({
            "id": user.id,
            "name": user.name,
            "division": {
                "id": division,
                "name": name,
                "selfUri": format!("/api/v2/authorization/divisions/{division}"),
            },
            "chat": { "jabberId": format!("{}@example.orgspan.com", user.id.uuid().simple()) },
            "department": "Billing",
            "email": user.email,
            "primaryContactInfo": [
                { "address": user.email, "mediaType": "EMAIL", "type": "PRIMARY" }
            ],
            "addresses": [],
            "state": user.state.as_str(),
            "title": "Agent",
            "username": user.username,
            "version": 1,
            "acdAutoAnswer": false,
            "selfUri": format!("/api/v2/users/{}", user.id),
        })
    }

    fn wanted_ids(
        &mut self,
        now: Timestamp,
        call: &Call,
    ) -> Result<Option<BTreeSet<UserId>>, ApiError> {
        let texts: Vec<String> = call
            .parameters()
            .into_iter()
            .filter(|(key, _)| key == "id")
            .flat_map(|(_, value)| value.split(',').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        if texts.len() > IDS_MAX {
            self.blame(now, Breach::TooManyUserIds { asked: texts.len() });
            return Err(ApiError::bad_request("max.user.ids", "Only 100 user ids are allowed."));
        }
        // An id that is none matches nobody, as a wrong one would.
        let ids = texts.iter().filter_map(|text| text.parse().ok()).collect();
        Ok((!texts.is_empty()).then_some(ids))
    }

    /// Returns the size and the number of the page that a request wants.
    pub(super) fn page(
        &mut self,
        now: Timestamp,
        call: &Call,
        size_max: usize,
    ) -> Result<(usize, usize), ApiError> {
        let number_of = |name: &str, default: usize| match call.parameter(name) {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
                ApiError::bad_request("invalid.query.param.value", format!("{name} is no number"))
            }),
        };
        let size = number_of("pageSize", PAGE_DEFAULT)?;
        if size > size_max {
            self.blame(now, Breach::PageTooLarge { asked: size, allowed: size_max });
            return Err(ApiError::bad_request("invalid.value", "pageSize is too large"));
        }
        Ok((size, number_of("pageNumber", 1)?))
    }
}

/// Answers with one page of a list.
pub(super) fn listing<T>(
    call: &Call,
    (size, number): (usize, usize),
    wanted: &[T],
    written: impl Fn(&T) -> Value,
) -> Answer {
    let pages = wanted.len().div_ceil(size).max(1);
    let from = size.saturating_mul(number - 1);
    let entities: Vec<Value> = wanted.iter().skip(from).take(size).map(written).collect();
    let mut body = json!({
        "entities": entities,
        "pageSize": size,
        "pageNumber": number,
        "total": wanted.len(),
        "pageCount": pages,
        "firstUri": page_uri(call, size, 1),
        "lastUri": page_uri(call, size, pages),
        "selfUri": page_uri(call, size, number),
    });
    if number < pages {
        body["nextUri"] = page_uri(call, size, number + 1).into();
    }
    if number > 1 {
        body["previousUri"] = page_uri(call, size, number - 1).into();
    }
    Answer::ok(&body)
}

/// Writes a page's address as the platform does: a path without host, other filters kept.
fn page_uri(call: &Call, size: usize, number: usize) -> String {
    let kept: String = call
        .parameters()
        .into_iter()
        .filter(|(key, _)| key != "pageSize" && key != "pageNumber")
        .map(|(key, value)| format!("&{key}={value}"))
        .collect();
    format!("{}?pageSize={size}&pageNumber={number}{kept}", call.uri.path())
}
