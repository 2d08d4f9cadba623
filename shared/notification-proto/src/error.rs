//! What the Notification Service or a person wrote that cannot be understood.

use crate::region::REGIONS;

/// A text that names none of the Genesys regions.
///
/// The text is not repeated: people paste secrets into the wrong field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a Genesys Cloud region; expected an AWS region or a domain of Genesys Cloud, such as \
     us-west-2 or usw2.pure.cloud, or one of {}",
    REGIONS.map(|region| region.code).join(", ")
)]
pub struct UnknownRegion;

/// A frame that is counted and left alone.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The text is not a JSON object.
    #[error("the frame is not a JSON object")]
    NotJson(#[source] serde_json::Error),
    /// The event is on a bus and not from Genesys.
    #[error("the event's source is not a partner event source of Genesys Cloud")]
    Source,
    /// The body names users, and the topic's is not among them.
    #[error("the body is about other users than its topic")]
    OtherUser,
    /// The body of a known topic has no conversation id, or is no JSON object.
    #[error("the body under topic {topic} is not a conversation")]
    Body {
        /// The topic, in lower case.
        topic: String,
        /// Why, if it could not be read at all.
        #[source]
        source: Option<serde_json::Error>,
    },
}
