//! Ids that nobody used before, so that a suite may run against a store that is in use.

use sidetone_model::{
    ConnectionId, ConversationId, ConversationKey, OrganizationId, OwnerId, SessionId,
};
use uuid::Uuid;

/// Returns a conversation id that nobody used before.
pub fn fresh_conversation() -> ConversationId {
    ConversationId::new(Uuid::new_v4())
}

/// Returns an organization id that nobody used before.
pub fn fresh_organization() -> OrganizationId {
    OrganizationId::new(Uuid::new_v4())
}

/// Returns a conversation of an organization, both unused before.
pub fn fresh_key() -> ConversationKey {
    ConversationKey { organization: fresh_organization(), conversation: fresh_conversation() }
}

/// Returns a connection id that nobody used before.
pub fn fresh_connection() -> ConnectionId {
    ConnectionId::new(fresh_text("connection"))
}

/// Returns a session id that nobody used before.
pub fn fresh_session() -> SessionId {
    SessionId::new(Uuid::new_v4())
}

/// Returns an owner that nobody used before.
pub fn fresh_owner() -> OwnerId {
    OwnerId::new(fresh_text("owner"))
}

/// Returns a text that nobody used before, beginning with `prefix`.
pub fn fresh_text(prefix: &str) -> String {
    format!("{prefix}-{}", Uuid::new_v4().simple())
}
