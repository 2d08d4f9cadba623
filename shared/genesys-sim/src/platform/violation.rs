//! What a client did that the description forbids, in words for people.
//!
//! Never holds a token, a secret or a channel id: channel ids are secrets, too.

use std::fmt;
use std::time::Duration;

use sidetone_model::Timestamp;

/// A rule that a client broke, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When, by the platform's clock.
    pub at: Timestamp,
    /// Which rule.
    pub breach: Breach,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.breach)
    }
}

/// A rule of the platform that a client broke.
///
/// **Source**: genesys-cloud.md, sections 2, 3, 5.2, 8 and 9.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// More topics than a channel holds.
    #[error("asked one channel for {asked} topics; it holds {allowed}")]
    TooManyTopics {
        /// Topics the channel would have had.
        asked: usize,
        /// Topics it may have.
        allowed: usize,
    },
    /// A combined topic above 200 characters.
    #[error("combined topics to {chars} characters; 200 are allowed")]
    CombinedTopicTooLong {
        /// Its length.
        chars: usize,
    },
    /// A topic that Genesys does not have.
    #[error("asked for a topic that does not exist: {topic}")]
    MalformedTopic {
        /// The topic.
        topic: String,
    },
    /// A token for every call instead of one for its life.
    #[error("asked for {in_minute} tokens within a minute; a token is for its whole life")]
    TokenPerCall {
        /// Tokens within the last minute.
        in_minute: usize,
    },
    /// Wrong credentials tried again at once.
    #[error("tried refused credentials again after {waited:?}; they do not mend in seconds")]
    RefusedCredentialsRetried {
        /// Time since the refusal.
        waited: Duration,
    },
    /// Another grant than client credentials.
    #[error("asked for grant type {got:?} instead of client_credentials")]
    WrongGrantType {
        /// The grant type asked for.
        got: String,
    },
    /// A scope, which client credentials do not have.
    #[error("sent a scope with client credentials")]
    ScopeRequested,
    /// Id and secret in the form.
    #[error("sent the client's secret in the form instead of the Basic header")]
    SecretInForm,
    /// A body of a type the endpoint does not read.
    #[error("sent content type {got:?} to {path}")]
    WrongContentType {
        /// The path.
        path: String,
        /// The content type.
        got: String,
    },
    /// No credentials.
    #[error("called {path} without Authorization")]
    MissingAuthorization {
        /// The path.
        path: String,
    },
    /// A token where logs can see it.
    #[error("sent a token in the query of {path}")]
    TokenInQuery {
        /// The path.
        path: String,
    },
    /// A token used on after it was refused.
    #[error("went on with a token for {for_long:?} after it was refused")]
    RefusedTokenReused {
        /// Time since the first refusal.
        for_long: Duration,
    },
    /// The rate limit.
    #[error("made more than {allowed} requests in a minute with one token")]
    TooManyRequests {
        /// Requests that are allowed.
        allowed: u32,
    },
    /// A retry before its time.
    #[error("came back after {waited:?} where {told:?} had to be waited: {subject}")]
    RetriedTooSoon {
        /// What was tried again.
        subject: String,
        /// The wait that was due.
        told: Duration,
        /// The wait that was kept.
        waited: Duration,
    },
    /// A path of another host.
    #[error("asked the {host} host for {path}")]
    WrongHost {
        /// The host that was asked.
        host: &'static str,
        /// The path.
        path: String,
    },
    /// A call the description does not know.
    #[error("called {method} {path}, which does not exist")]
    UnknownEndpoint {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// A call that only users can make.
    #[error("called {path}, which needs a user, with client credentials")]
    NeedsUser {
        /// The path.
        path: String,
    },
    /// Polling instead of notifications.
    #[error("polled the list of conversations, which is empty for client credentials")]
    ConversationsPolled,
    /// Polling the details query.
    #[error("began {in_minute} details queries within a minute; notifications are for that")]
    DetailsPolled {
        /// Queries begun within the last minute.
        in_minute: usize,
    },
    /// A details query that analytics does not understand.
    #[error("sent a details query that cannot be: {what}")]
    MalformedQuery {
        /// What is wrong with it.
        what: String,
    },
    /// Too many users at once.
    #[error("asked for {asked} user ids at once; 100 are allowed")]
    TooManyUserIds {
        /// Ids in the request.
        asked: usize,
    },
    /// A page above the limit.
    #[error("asked for a page of {asked}; {allowed} are allowed")]
    PageTooLarge {
        /// Entries asked for.
        asked: usize,
        /// Entries that are allowed.
        allowed: usize,
    },
    /// A body above the limit.
    #[error("sent a body above {allowed} bytes to {path}")]
    BodyTooLarge {
        /// The path.
        path: String,
        /// Bytes that are allowed.
        allowed: usize,
    },
    /// Many channels at once.
    #[error("made {in_ten_seconds} channels within ten seconds")]
    ChannelStorm {
        /// Channels within the last ten seconds.
        in_ten_seconds: usize,
    },
    /// One channel too many, at the cost of one in use.
    #[error("made a channel too many, which removed one that was in use")]
    ConnectedChannelEvicted,
    /// A token on the notification socket.
    #[error("sent Authorization with the notification socket")]
    AuthorizationOnSocket,
    /// Another address than the one that was given out.
    #[error("opened another address than the connectUri that was given out")]
    ConnectUriChanged,
    /// A WebSocket sub-protocol.
    #[error("offered a sub-protocol on the notification socket")]
    SubprotocolOffered,
    /// Two sockets on one channel.
    #[error("opened a second socket on a channel whose first was open")]
    SecondSocket,
    /// Deaf to `socket_closing`.
    #[error("opened no other socket within {allowed:?} of socket_closing")]
    StayedAfterSocketClosing {
        /// Time that was given.
        allowed: Duration,
    },
    /// Something on the socket that is neither ping nor subscribe.
    #[error("sent something on the notification socket that is not its language: {what}")]
    UnexpectedSocketMessage {
        /// What it was.
        what: &'static str,
    },
}
