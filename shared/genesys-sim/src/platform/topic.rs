//! Topic names: which exist, what a combined one stands for, whom they are about.
//!
//! Source: genesys-cloud.md, sections 3.3 and 3.7.

use sidetone_model::UserId;
use uuid::Uuid;

/// The longest combined topic.
pub(crate) const COMBINED_CHARS_MAX: usize = 200;

/// What follows `v2.users.{id}.`.
const OF_USERS: [&str; 10] = [
    "conversations",
    "conversations.calls",
    "conversations.callbacks",
    "conversationsummary",
    "presence",
    "routingstatus",
    "activity",
    "station",
    "outofoffice",
    "tokens",
];

/// What follows `v2.routing.queues.{id}.`.
const OF_QUEUES: [&str; 3] = ["conversations", "conversations.calls", "users"];

/// A subscription: one entry of a channel's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    /// As the client wrote it.
    pub(crate) written: String,
    /// The user it is about; absent for queues.
    pub(crate) user: Option<UserId>,
    /// What of it, in lower case.
    suffixes: Vec<String>,
}

/// Why a text is no topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TopicError {
    /// No such topic.
    Malformed,
    /// Combined beyond 200 characters.
    TooLong,
    /// Exists, but only on EventBridge.
    Transport,
}

impl Topic {
    /// Reads a topic, single or combined.
    pub(crate) fn parse(written: &str) -> Result<Self, TopicError> {
        let lower = written.to_ascii_lowercase();
        let (prefix, suffixes) = match lower.split_once('?') {
            Some(_) if written.chars().count() > COMBINED_CHARS_MAX => {
                return Err(TopicError::TooLong);
            }
            Some((prefix, suffixes)) => (prefix.to_owned(), suffixes.to_owned()),
            None => split_single(&lower).ok_or(TopicError::Malformed)?,
        };
        let parts: Vec<&str> = prefix.split('.').collect();
        let (user, known): (_, &[&str]) = match parts[..] {
            ["v2", "users", id] => {
                (Some(id.parse().map_err(|_| TopicError::Malformed)?), &OF_USERS)
            }
            ["v2", "routing", "queues", id] if Uuid::try_parse(id).is_ok() => (None, &OF_QUEUES),
            ["v2", "detail", "events", "conversation", id] if Uuid::try_parse(id).is_ok() => {
                return Err(TopicError::Transport);
            }
            _ => return Err(TopicError::Malformed),
        };
        if !suffixes.split('&').all(|suffix| known.contains(&suffix)) {
            return Err(TopicError::Malformed);
        }
        let suffixes = suffixes.split('&').map(str::to_owned).collect();
        Ok(Self { written: written.to_owned(), user, suffixes })
    }

    /// Returns whose conversations it brings, if anybody's.
    pub(crate) fn conversations_of(&self) -> Option<UserId> {
        self.user.filter(|user| self.brings(*user, "conversations"))
    }

    /// Returns whether it brings this of a user; a combined topic brings several things.
    pub(crate) fn brings(&self, user: UserId, what: &str) -> bool {
        let brings = |suffix: &String| suffix.eq_ignore_ascii_case(what);
        self.user == Some(user) && self.suffixes.iter().any(brings)
    }
}

/// Returns the full name under which a user's conversations arrive.
pub(crate) fn conversations_topic(user: UserId) -> String {
    format!("v2.users.{user}.conversations")
}

/// Splits behind the id, wherever the known prefixes have it.
fn split_single(lower: &str) -> Option<(String, String)> {
    let depth = match lower.split('.').nth(1)? {
        "users" => 3,
        "routing" => 4,
        "detail" => 5,
        _ => return None,
    };
    let parts: Vec<&str> = lower.split('.').collect();
    let (prefix, suffix) = parts.split_at_checked(depth)?;
    Some((prefix.join("."), suffix.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "6b1e0c52-5a5e-4f0b-9a57-0d1f3c2b4a01";

    #[test]
    fn combined_topics_bring_what_each_part_brings() {
        let parse = |text: &str| Topic::parse(text);
        let ada: UserId = ADA.parse().expect("valid");
        let single = parse(&format!("v2.users.{ADA}.conversations")).expect("valid");
        assert_eq!(single.conversations_of(), Some(ada));
        let combined =
            parse(&format!("v2.users.{ADA}?conversations&routingStatus")).expect("valid");
        assert_eq!(combined.conversations_of(), Some(ada));
        let other = parse(&format!("v2.users.{ADA}?presence&routingStatus")).expect("valid");
        assert_eq!(other.conversations_of(), None);
        let upper = parse(&format!("V2.Users.{ADA}.Conversations")).expect("valid");
        assert_eq!(upper.conversations_of(), Some(ada));
    }

    #[test]
    fn what_genesys_does_not_have_is_no_topic() {
        for text in [
            String::new(),
            "v2.users.*.conversations".into(),
            "v2.users.ada.conversations".into(),
            format!("v2.conversations.{ADA}"),
            format!("v2.users.{ADA}"),
            format!("v2.users.{ADA}.calls"),
            format!("v2.users.{ADA}?conversations&nonsense"),
        ] {
            assert_eq!(Topic::parse(&text), Err(TopicError::Malformed), "{text}");
        }
        let long = format!("v2.users.{ADA}?{}", ["presence"; 20].join("&"));
        assert_eq!(Topic::parse(&long), Err(TopicError::TooLong));
        let detail = format!("v2.detail.events.conversation.{ADA}.user.start");
        assert_eq!(Topic::parse(&detail), Err(TopicError::Transport));
    }
}
