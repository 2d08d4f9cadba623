//! Queues and their members.
//!
//! Source: genesys-cloud.md, sections 2.8 and 5.3.

use serde_json::{Value, json};
use sidetone_model::Timestamp;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::config::SimQueue;
use super::directory::listing;
use super::world::World;

/// What the role must have.
const PERMISSION: &str = "routing:queue:view";

/// Entries of the largest page of queues.
const QUEUES_MAX: usize = 500;

/// Entries of the largest page of members.
const MEMBERS_MAX: usize = 100;

impl World {
    /// Answers `GET /api/v2/routing/queues`.
    pub(super) fn list_queues(&mut self, now: Timestamp, call: &Call) -> Result<Answer, ApiError> {
        self.must_have(PERMISSION)?;
        let page = self.page(now, call, QUEUES_MAX)?;
        Ok(listing(call, page, &self.config.queues, queue_json))
    }

    /// Answers `GET /api/v2/routing/queues/{id}/members`.
    pub(super) fn list_members(
        &mut self,
        now: Timestamp,
        id: &str,
        call: &Call,
    ) -> Result<Answer, ApiError> {
        self.must_have(PERMISSION)?;
        let page = self.page(now, call, MEMBERS_MAX)?;
        let joined = call.parameter("joined");
        let queue = self.config.queues.iter().find(|queue| queue.id.to_string() == id);
        let queue = queue.ok_or_else(|| ApiError::not_found("queue.not.found"))?;
        let wanted: Vec<Value> = queue
            .members
            .iter()
            .filter(|(_, has)| joined.as_ref().is_none_or(|joined| *joined == has.to_string()))
            .map(|(user, joined)| {
                let name = self.users.get(user).map(|user| user.name.as_str());
                json!({
                    "id": user,
                    "name": name,
                    "user": { "id": user, "selfUri": format!("/api/v2/users/{user}") },
                    "ringNumber": 1,
                    "joined": joined,
                    "memberBy": "user",
                    "selfUri": format!("/api/v2/routing/queues/{id}/users/{user}"),
                })
            })
            .collect();
        Ok(listing(call, page, &wanted, Value::clone))
    }
}

fn queue_json(queue: &SimQueue) -> Value {
    let id = queue.id;
    json!({
        "id": id,
        "name": queue.name,
        "memberCount": queue.members.len(),
        "joinedMemberCount": queue.members.iter().filter(|(_, joined)| *joined).count(),
        "enableAudioMonitoring": true,
        "selfUri": format!("/api/v2/routing/queues/{id}"),
    })
}
