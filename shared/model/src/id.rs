//! One id type per entity, so that a session can never be passed for a conversation.
//!
//! Genesys writes most ids as UUIDs; those compare by value whatever their letter case.
//! Ids that Genesys calls strings and does not promise to be UUIDs stay text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: expected 8-4-4-4-12 hexadecimal digits")]
pub struct IdError {
    /// Which id was expected, in words.
    pub kind: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Returns the UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// Returns whether this is the null UUID, which Genesys uses for probes.
            pub const fn is_nil(self) -> bool {
                self.0.is_nil()
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                // Only the hyphenated form: the parser also takes braces and URNs.
                if text.len() != 36 {
                    return Err(IdError { kind: $kind });
                }
                Uuid::try_parse(text).map(Self).map_err(|_| IdError { kind: $kind })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Wraps a text.
            pub fn new(text: impl Into<Box<str>>) -> Self {
                Self(text.into())
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

uuid_id!(
    /// The Genesys tenant.
    OrganizationId,
    "organization id"
);
uuid_id!(
    /// One caller's whole contact: every participant and transfer.
    ConversationId,
    "conversation id"
);
uuid_id!(
    /// One AudioHook `open` to `closed`, as an identity; its spelling on the wire is kept
    /// by the session machine.
    SessionId,
    "session id"
);
uuid_id!(
    /// A Genesys user, as call events name them.
    UserId,
    "user id"
);
text_id!(
    /// One party entry of a conversation.
    ParticipantId
);
text_id!(
    /// One media connection of a participant; Genesys calls it communication or session.
    CommunicationId
);
text_id!(
    /// One WebSocket, named by its door, fresh for each upgrade.
    ConnectionId
);
text_id!(
    /// Whoever holds sessions and has a mailbox: one process of a long-lived door.
    OwnerId
);
text_id!(
    /// The Telephony Agent ID: the lower-cased local part of the Genesys username.
    AgentId
);

/// A conversation within its organization: the partition both halves of a match live in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConversationKey {
    /// The tenant; nothing of one is reachable from another.
    pub organization: OrganizationId,
    /// The conversation.
    pub conversation: ConversationId,
}

impl fmt::Display for ConversationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.organization, self.conversation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_compare_by_value_whatever_their_case() {
        let lower: SessionId = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071".parse().expect("valid");
        let upper: SessionId = "5A1B7C30-9F42-4D0E-8B6A-2C3D4E5F6071".parse().expect("valid");
        assert_eq!(lower, upper);
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        for text in
            ["", "5a1b7c309f424d0e8b6a2c3d4e5f6071", "{5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071}"]
        {
            assert!(text.parse::<ConversationId>().is_err(), "{text}");
        }
    }
}
