//! Groups with their members, and divisions.
//!
//! Source: genesys-cloud.md, sections 2.8, 5.2 and 5.3.

use serde_json::{Value, json};
use sidetone_model::Timestamp;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::config::{SimDivision, SimGroup, SimUser, UserState};
use super::directory::listing;
use super::world::World;

/// What the role must have for groups.
const GROUPS: &str = "directory:group:view";

/// What the role must have for divisions.
const DIVISIONS: &str = "authorization:division:view";

/// Entries of the largest page; Genesys does not state it, and its own code asks for no more.
const PAGE_MAX: usize = 100;

impl World {
    /// Answers `GET /api/v2/groups`.
    pub(super) fn list_groups(&mut self, now: Timestamp, call: &Call) -> Result<Answer, ApiError> {
        self.must_have(GROUPS)?;
        let page = self.page(now, call, PAGE_MAX)?;
        Ok(listing(call, page, &self.config.groups, group_json))
    }

    /// Answers `GET /api/v2/groups/{id}/members`; deleted users are in no group.
    pub(super) fn list_group_members(
        &mut self,
        now: Timestamp,
        id: &str,
        call: &Call,
    ) -> Result<Answer, ApiError> {
        self.must_have(GROUPS)?;
        let page = self.page(now, call, PAGE_MAX)?;
        let group = self.config.groups.iter().find(|group| group.id.to_string() == id);
        let group = group.ok_or_else(|| ApiError::not_found("general.resource.not.found"))?;
        let known = group.members.iter().filter_map(|id| self.users.get(id));
        let members: Vec<&SimUser> =
            known.filter(|user| user.state != UserState::Deleted).collect();
        Ok(listing(call, page, &members, |user| self.user_json(user)))
    }

    /// Answers `GET /api/v2/authorization/divisions`.
    pub(super) fn list_divisions(
        &mut self,
        now: Timestamp,
        call: &Call,
    ) -> Result<Answer, ApiError> {
        self.must_have(DIVISIONS)?;
        let page = self.page(now, call, PAGE_MAX)?;
        Ok(listing(call, page, &self.config.divisions, division_json))
    }
}

fn group_json(group: &SimGroup) -> Value {
    let id = group.id;
    json!({
        "id": id,
        "name": group.name,
        "memberCount": group.members.len(),
        "state": "active",
        "type": "official",
        "visibility": "public",
        "selfUri": format!("/api/v2/groups/{id}"),
    })
}

fn division_json(division: &SimDivision) -> Value {
    let id = division.id;
    json!({
        "id": id,
        "name": division.name,
        "homeDivision": division.name == "Home",
        "selfUri": format!("/api/v2/authorization/divisions/{id}"),
    })
}
