//! Notification channels and their subscriptions, by REST.
//!
//! Source: genesys-cloud.md, sections 3.2, 3.3 and 3.6.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use sidetone_model::{Timestamp, UserId};
use uuid::Uuid;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::socket::{SocketHandle, ToSocket};
use super::topic::{Topic, TopicError};
use super::violation::Breach;
use super::world::World;

/// The span in which channels made count as a storm.
const STORM: Duration = Duration::from_secs(10);

/// What a role needs for a user's conversations; the description's best guess.
const PERMISSION: &str = "conversation:communication:view";

/// A channel: an address for one socket, and what is sent there.
#[derive(Debug)]
pub(crate) struct Channel {
    token: String,
    /// The OAuth client, which may have so many.
    pub(super) client: String,
    last_used: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) topics: Vec<Topic>,
    pub(super) listens_to: BTreeSet<UserId>,
    pub(super) sockets: Vec<SocketHandle>,
}

/// An entry of a subscription list.
#[derive(Debug, Deserialize)]
struct Entry {
    id: String,
}

/// A list of topics, judged one by one.
struct Judged {
    good: Vec<Topic>,
    answers: Vec<Value>,
}

impl World {
    /// Answers everything under `/api/v2/notifications`.
    pub(super) fn notifications(
        &mut self,
        now: Timestamp,
        call: &Call,
        token: &str,
        rest: &[&str],
    ) -> Result<Answer, ApiError> {
        match (call.method.as_str(), rest) {
            ("POST", ["channels"]) => self.create_channel(now, token),
            ("GET", ["channels"]) => Ok(self.list_channels(call, token)),
            ("HEAD", ["channels", id]) => match self.channels.contains_key(*id) {
                true => Ok(Answer::empty(StatusCode::OK)),
                false => Err(ApiError::not_found("not.found")),
            },
            ("GET", ["channels", id, "subscriptions"]) => self.subscriptions(id),
            ("POST", ["channels", id, "subscriptions"]) => {
                if !self.channels.contains_key(*id) {
                    return Err(ApiError::bad_request(
                        "notification.unable.to.get.channel.id",
                        "Unable to get the channel id.",
                    ));
                }
                self.subscribe_by_rest(now, call, id, false)
            }
            ("PUT", ["channels", id, "subscriptions"]) => {
                self.subscribe_by_rest(now, call, id, true)
            }
            ("DELETE", ["channels", id, "subscriptions"]) => {
                let channel = self.channel_mut(id)?;
                channel.topics.clear();
                channel.listens_to.clear();
                Ok(Answer::empty(StatusCode::OK))
            }
            ("GET", ["availabletopics"]) => Ok(available_topics()),
            _ => Err(self.unknown(now, call)),
        }
    }

    fn channel_mut(&mut self, id: &str) -> Result<&mut Channel, ApiError> {
        self.channels.get_mut(id).ok_or_else(|| ApiError::not_found("entity.not.found"))
    }

    fn create_channel(&mut self, now: Timestamp, token: &str) -> Result<Answer, ApiError> {
        let in_ten_seconds = self.channels_made.note(now, STORM);
        if in_ten_seconds > self.config.limits.channels_per_ten_seconds {
            self.blame(now, Breach::ChannelStorm { in_ten_seconds });
            let subject = "POST /api/v2/notifications/channels".to_owned();
            self.waits.owe(subject, now, STORM);
            return Err(ApiError::throttled(STORM.as_secs()));
        }
        let client = self.tokens.client_of(token);
        while self.channels_of(&client) >= self.config.limits.channels_max {
            self.evict(now, &client);
        }
        let id = format!("streaming-4-{}", &Uuid::new_v4().simple().to_string()[..26]);
        let channel = Channel {
            token: token.to_owned(),
            client,
            last_used: now,
            expires_at: now + self.config.limits.channel_life,
            topics: Vec::new(),
            listens_to: BTreeSet::new(),
            sockets: Vec::new(),
        };
        let answer = Answer::ok(&self.channel_json(&id, &channel));
        self.channels.insert(id, channel);
        self.stats.channels_created += 1;
        let most = &mut self.stats.channels_alive_most;
        *most = (*most).max(self.channels.len());
        Ok(answer)
    }

    /// Returns how many channels an OAuth client has.
    pub(super) fn channels_of(&self, client: &str) -> usize {
        self.channels.values().filter(|channel| channel.client == client).count()
    }

    /// Takes a user's topic off every channel without a word.
    pub(super) fn forget_topic(&mut self, user: UserId) {
        for channel in self.channels.values_mut() {
            channel.topics.retain(|topic| topic.user != Some(user));
            channel.listens_to.remove(&user);
        }
    }

    /// Removes a client's channel that was used longest ago, unconnected ones first.
    fn evict(&mut self, now: Timestamp, client: &str) {
        let oldest = self
            .channels
            .iter()
            .filter(|(_, channel)| channel.client == client)
            .min_by_key(|(_, channel)| (!channel.sockets.is_empty(), channel.last_used))
            .map(|(id, _)| id.clone());
        let Some(channel) = oldest.and_then(|id| self.channels.remove(&id)) else { return };
        self.stats.channels_evicted += 1;
        if !channel.sockets.is_empty() {
            self.blame(now, Breach::ConnectedChannelEvicted);
        }
        channel.close("channel evicted");
    }

    fn list_channels(&self, call: &Call, token: &str) -> Answer {
        let all = call.parameter("includechannels").is_some_and(|which| which == "oauthclient");
        let entities: Vec<Value> = self
            .channels
            .iter()
            .filter_map(|(id, channel)| match (channel.token == token, all) {
                (true, _) => Some(self.channel_json(id, channel)),
                // The ids of other tokens' channels stay hidden.
                (false, true) => Some(json!({ "expires": channel.expires_at.to_string() })),
                (false, false) => None,
            })
            .collect();
        Answer::ok(&json!({ "entities": entities }))
    }

    fn channel_json(&self, id: &str, channel: &Channel) -> Value {
        json!({
            "connectUri": format!("{}/channels/{id}", self.streaming_base),
            "id": id,
            "expires": channel.expires_at.to_string(),
        })
    }

    fn subscriptions(&mut self, id: &str) -> Result<Answer, ApiError> {
        let topics = &self.channel_mut(id)?.topics;
        let entities: Vec<Value> = topics.iter().map(permitted).collect();
        Ok(Answer::ok(&json!({ "entities": entities })))
    }

    fn subscribe_by_rest(
        &mut self,
        now: Timestamp,
        call: &Call,
        id: &str,
        replace: bool,
    ) -> Result<Answer, ApiError> {
        self.channel_mut(id)?;
        if !call.is_of_type("application/json") {
            let got = call.header(header::CONTENT_TYPE).unwrap_or_default().to_owned();
            self.blame(now, Breach::WrongContentType { path: call.path(), got });
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported.media.type",
                "Unsupported media type.",
            ));
        }
        let body = call.body.as_deref().unwrap_or_default();
        let entries: Vec<Entry> = serde_json::from_slice(body)
            .map_err(|_| ApiError::bad_request("bad.request", "The request body is no list."))?;
        let topics: Vec<String> = entries.into_iter().map(|entry| entry.id).collect();
        let ignore = call.parameter("ignoreErrors").is_some_and(|value| value == "true");
        let answers = self.subscribe(now, id, &topics, replace, ignore)?;
        Ok(Answer::ok(&json!({ "entities": answers })))
    }

    /// Adds topics to a channel, or replaces all it has; all or nothing.
    ///
    /// A subscription also gives the channel another life.
    pub(super) fn subscribe(
        &mut self,
        now: Timestamp,
        id: &str,
        topics: &[String],
        replace: bool,
        ignore_errors: bool,
    ) -> Result<Vec<Value>, ApiError> {
        let judged = self.judge_topics(now, topics, ignore_errors)?;
        let allowed = self.config.limits.topics_max;
        let expires_at = now + self.config.limits.channel_life;
        let channel = self.channel_mut(id)?;
        let mut all = if replace { Vec::new() } else { channel.topics.clone() };
        let mut known: BTreeSet<String> =
            all.iter().map(|topic| topic.written.to_ascii_lowercase()).collect();
        for topic in judged.good {
            if known.insert(topic.written.to_ascii_lowercase()) {
                all.push(topic);
            }
        }
        // The list itself is held to the limit, too, whatever it repeats.
        let asked = all.len().max(topics.len());
        if asked > allowed {
            self.blame(now, Breach::TooManyTopics { asked, allowed });
            return Err(ApiError::bad_request(
                "notification.subscription.too.many.subscriptions",
                format!("Too many topics: {asked}, {allowed} are allowed."),
            ));
        }
        channel.listens_to = all.iter().filter_map(Topic::conversations_of).collect();
        channel.topics = all;
        channel.last_used = now;
        channel.expires_at = expires_at;
        Ok(judged.answers)
    }

    fn judge_topics(
        &mut self,
        now: Timestamp,
        topics: &[String],
        ignore_errors: bool,
    ) -> Result<Judged, ApiError> {
        let mut judged = Judged { good: Vec::new(), answers: Vec::new() };
        for written in topics {
            let topic = self.existing_topic(now, written)?;
            let user = topic.user.and_then(|user| self.users.get(&user));
            let forbidden = self.config.missing_permissions.contains(PERMISSION)
                || user.is_some_and(|it| self.config.forbidden_divisions.contains(&it.division));
            if !forbidden {
                judged.answers.push(permitted(&topic));
                judged.good.push(topic);
            } else if ignore_errors {
                judged.answers.push(json!({
                    "id": written,
                    "state": "Rejected",
                    "rejectionReason": "The permission is missing for the object's division.",
                    "missingPermissions": [PERMISSION],
                }));
            } else {
                return Err(ApiError::new(
                    StatusCode::FORBIDDEN,
                    "notification.unauthorized.divisioned.topic",
                    format!("Not authorized for topic {written}"),
                ));
            }
        }
        Ok(judged)
    }

    fn existing_topic(&mut self, now: Timestamp, written: &str) -> Result<Topic, ApiError> {
        let invalid = |what: &str| {
            ApiError::bad_request("notification.invalid.topic", format!("{what}: {written}"))
        };
        match Topic::parse(written) {
            Ok(topic) if topic.user.is_none_or(|user| self.users.contains_key(&user)) => Ok(topic),
            // A user can vanish between the list and the subscription: no rule is broken.
            Ok(_) => Err(invalid("Unknown topic")),
            Err(TopicError::Malformed) => {
                self.blame(now, Breach::MalformedTopic { topic: written.to_owned() });
                Err(invalid("Unknown topic"))
            }
            Err(TopicError::TooLong) => {
                let chars = written.chars().count();
                self.blame(now, Breach::CombinedTopicTooLong { chars });
                Err(invalid("Topic too long"))
            }
            Err(TopicError::Transport) => Err(ApiError::bad_request(
                "notification.transport.not.allowed",
                format!("The topic is not available on this transport: {written}"),
            )),
        }
    }

    /// Removes what has expired, and what died with its token.
    pub(super) fn purge(&mut self, now: Timestamp) {
        let (tokens, die) = (&self.tokens, self.config.channels_die_with_tokens);
        let gone = self.channels.extract_if(.., |_, channel| {
            now >= channel.expires_at || (die && !tokens.is_good(&channel.token, now))
        });
        for (_, channel) in gone {
            channel.close("channel expired");
        }
    }

    /// Ends every channel now.
    pub(crate) fn expire_channels(&mut self) {
        for (_, channel) in std::mem::take(&mut self.channels) {
            channel.close("channel expired");
        }
    }
}

impl Channel {
    /// Notes that somebody connected.
    pub(super) const fn touch(&mut self, now: Timestamp) {
        self.last_used = now;
    }

    fn close(self, why: &'static str) {
        for socket in self.sockets {
            socket.tell(ToSocket::Close(why));
        }
    }
}

fn permitted(topic: &Topic) -> Value {
    json!({
        "id": topic.written,
        "state": "Permitted",
        "selfUri": format!("/api/v2/notifications/availabletopics/{}", topic.written),
    })
}

fn available_topics() -> Answer {
    Answer::ok(&json!({
        "entities": [{
            "id": "v2.users.{id}.conversations",
            "description": "A user's conversations",
            "requiresPermissions": [PERMISSION],
            "requiresDivisionPermissions": true,
            "enforced": true,
            "visibility": "Public",
            "transports": ["All"],
            "topicParameters": ["id"],
        }],
    }))
}
