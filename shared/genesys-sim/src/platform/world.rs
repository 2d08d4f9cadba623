//! The platform's state and the way of a request through it; a pure core.
//!
//! Every method is given the moment it is. Each area adds its endpoints in its own file.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;
use sidetone_model::{ConversationId, Timestamp, UserId};
use uuid::Uuid;

use super::answer::{Answer, ApiError};
use super::call::{Call, Host};
use super::config::{PlatformConfig, SimUser};
use super::details::Records;
use super::login::Tokens;
use super::notifications::Channel;
use super::quota::{Quota, Recent, Waits};
use super::stats::Stats;
use super::violation::{Breach, Violation};
use crate::conversation::Snapshot;

/// The largest body that the platform reads.
pub(crate) const BODY_BYTES_MAX: usize = 512_000;

/// The most violations that are kept; the first ones tell the story.
const VIOLATIONS_MAX: usize = 1_000;

/// The most conversations that `GET /conversations/{id}` remembers.
const CONVERSATIONS_MAX: usize = 5_000;

/// The wait without `Retry-After` after 429, as Genesys' own clients keep it.
const WAIT_AFTER_BARE_429: Duration = Duration::from_secs(3);

/// The least wait after a 502, 503 or 504; Genesys' pattern begins at three seconds.
const WAIT_AFTER_FAULT: Duration = Duration::from_secs(1);

/// How long after an answer a request may still have been on its way, in real time.
const GRACE: Duration = Duration::from_millis(100);

/// How a test makes requests fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The platform's envelope with this status.
    Status {
        /// The status.
        status: u16,
        /// What the header of that name says.
        retry_after: Option<Duration>,
    },
    /// A gateway's web page with 502.
    Html,
    /// 200, and JSON that stops in the middle.
    HalfJson,
    /// No answer for so long, then 504.
    Silence(Duration),
}

/// A failure that waits for its requests.
#[derive(Debug, Clone)]
struct Fault {
    path_part: String,
    failure: Failure,
    left: usize,
}

/// What is kept of a conversation.
#[derive(Debug)]
pub(super) struct Kept {
    body: Arc<str>,
    pub(super) records: Records,
}

/// An answer, and how long to keep it back.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    pub(crate) hold: Duration,
}

/// The whole state.
pub(crate) struct World {
    pub(super) config: PlatformConfig,
    pub(super) users: BTreeMap<UserId, SimUser>,
    /// Who comes, changes or goes as soon as one more page of users was read.
    pub(super) put_behind_page: VecDeque<SimUser>,
    pub(super) tokens: Tokens,
    pub(super) channels: BTreeMap<String, Channel>,
    pub(super) channels_made: Recent,
    pub(super) streaming_base: String,
    pub(super) stats: Stats,
    pub(super) waits: Waits,
    pub(super) next_socket: u64,
    pub(super) refused_upgrades: VecDeque<StatusCode>,
    pub(super) conversations: BTreeMap<ConversationId, Kept>,
    pub(super) details_queries: Recent,
    conversation_order: VecDeque<ConversationId>,
    faults: Vec<Fault>,
    violations: Vec<Violation>,
}

impl World {
    /// Makes the state of a platform whose sockets are reached at `streaming_base`.
    pub(crate) fn new(config: PlatformConfig, streaming_base: String) -> Self {
        let users = config.users.iter().map(|user| (user.id, user.clone())).collect();
        Self {
            config,
            users,
            put_behind_page: VecDeque::new(),
            tokens: Tokens::default(),
            channels: BTreeMap::new(),
            channels_made: Recent::default(),
            streaming_base,
            stats: Stats::default(),
            waits: Waits::default(),
            next_socket: 0,
            refused_upgrades: VecDeque::new(),
            conversations: BTreeMap::new(),
            details_queries: Recent::default(),
            conversation_order: VecDeque::new(),
            faults: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// Answers one request.
    pub(crate) fn handle(&mut self, now: Timestamp, call: &Call) -> Reply {
        self.stats.requests += 1;
        self.purge(now);
        let correlation = Uuid::new_v4();
        let mut reply = self.reply(now, call, correlation);
        let text = HeaderValue::try_from(correlation.to_string());
        let text = text.expect("a UUID is made of header characters");
        for name in ["genesys-correlation-id", "inin-correlation-id"] {
            reply.answer.headers.push((HeaderName::from_static(name), text.clone()));
        }
        if reply.answer.status == StatusCode::TOO_MANY_REQUESTS {
            self.stats.throttled += 1;
        }
        if call.method == Method::HEAD {
            reply.answer.body.clear();
        }
        reply
    }

    fn reply(&mut self, now: Timestamp, call: &Call, correlation: Uuid) -> Reply {
        self.judge_patience(now, &call.subject());
        if let Some(failure) = self.take_fault(call) {
            return self.fail(now, call, failure, correlation);
        }
        let at_home = match call.segments()[..] {
            ["oauth", "token"] => Host::Login,
            // What time it is, any host says.
            [] if call.method == Method::HEAD => call.host,
            ["channels", ..] => Host::Streaming,
            _ => Host::Api,
        };
        let answer = if at_home != call.host {
            self.blame(now, Breach::WrongHost { host: call.host.as_str(), path: call.path() });
            ApiError::not_found("not.found").answer(correlation)
        } else {
            match call.host {
                Host::Login => self.login(now, call, correlation),
                Host::Api => self.api(now, call, correlation),
                Host::Streaming => {
                    self.blame_unknown(now, call);
                    ApiError::bad_request("bad.request", "Expected an upgrade").answer(correlation)
                }
            }
        };
        Reply { answer, hold: Duration::ZERO }
    }

    fn api(&mut self, now: Timestamp, call: &Call, correlation: Uuid) -> Answer {
        if call.parameter("access_token").or_else(|| call.parameter("token")).is_some() {
            self.blame(now, Breach::TokenInQuery { path: call.path() });
        }
        let (token, quota) = match self.authorize(now, call) {
            Ok(granted) => granted,
            Err(refusal) => return refusal.answer(correlation),
        };
        let answer = if quota.is_exceeded() {
            self.throttle(now, &token, quota).answer(correlation)
        } else {
            self.route(now, call, &token).unwrap_or_else(|refusal| refusal.answer(correlation))
        };
        answer
            .with("inin-ratelimit-count", quota.count.min(quota.allowed).into())
            .with("inin-ratelimit-allowed", quota.allowed.into())
            .with("inin-ratelimit-reset", quota.reset_seconds)
    }

    fn authorize(&mut self, now: Timestamp, call: &Call) -> Result<(String, Quota), ApiError> {
        let bearer = call.header(AUTHORIZATION).and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        });
        let Some(bearer) = bearer else {
            self.blame(now, Breach::MissingAuthorization { path: call.path() });
            return Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "authentication.required",
                "No authentication bearer token specified in authorization header.",
            ));
        };
        let allowed = self.config.limits.requests_per_minute;
        match self.tokens.spend(&bearer, now, allowed) {
            Ok(quota) => {
                let most = &mut self.stats.requests_per_minute_most;
                *most = (*most).max(quota.count);
                Ok((bearer, quota))
            }
            Err(refused) => {
                if let Some(for_long) = refused.reused_for {
                    self.blame(now, Breach::RefusedTokenReused { for_long });
                }
                Err(ApiError::new(
                    StatusCode::UNAUTHORIZED,
                    "bad.credentials",
                    "Invalid login credentials.",
                ))
            }
        }
    }

    fn throttle(&mut self, now: Timestamp, token: &str, quota: Quota) -> ApiError {
        let subject = self.tokens.subject(token);
        if quota.is_first_excess() {
            self.blame(now, Breach::TooManyRequests { allowed: quota.allowed });
            self.waits.owe(subject, now, Duration::from_secs(quota.reset_seconds));
        } else {
            self.judge_patience(now, &subject);
        }
        ApiError::throttled(quota.reset_seconds)
    }

    fn route(&mut self, now: Timestamp, call: &Call, token: &str) -> Result<Answer, ApiError> {
        if call.body.is_none() {
            self.blame(now, Breach::BodyTooLarge { path: call.path(), allowed: BODY_BYTES_MAX });
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "request.entity.too.large",
                "The request is over the size limit.",
            ));
        }
        let segments = call.segments();
        let ["api", "v2", rest @ ..] = &segments[..] else {
            return Err(self.unknown(now, call));
        };
        match (call.method.as_str(), rest) {
            ("GET" | "HEAD", ["tokens", "me"]) => Ok(self.token_description(token)),
            ("DELETE", ["tokens", "me"]) => {
                self.tokens.revoke(token);
                Ok(Answer::empty(StatusCode::OK))
            }
            ("GET", ["date"]) => Ok(Answer::ok(&json!({ "currentDate": now.to_string() }))),
            ("GET", ["organizations", "me"]) => Ok(self.organization()),
            ("GET", ["users"]) => self.list_users(now, call),
            ("GET", ["users", "me"]) => Err(self.needs_user(now, call)),
            ("GET", ["users", id]) => self.user(id, call),
            ("GET", ["routing", "queues"]) => self.list_queues(now, call),
            ("GET", ["routing", "queues", id, "members"]) => self.list_members(now, id, call),
            ("GET", ["groups"]) => self.list_groups(now, call),
            ("GET", ["groups", id, "members"]) => self.list_group_members(now, id, call),
            ("GET", ["authorization", "divisions"]) => self.list_divisions(now, call),
            ("GET", ["conversations"]) => {
                self.blame(now, Breach::ConversationsPolled);
                Ok(Answer::ok(&json!({ "entities": [] })))
            }
            ("GET", ["conversations", "calls"]) => {
                self.blame(now, Breach::ConversationsPolled);
                Err(self.needs_user(now, call))
            }
            ("GET", ["conversations", id]) => self.conversation(id),
            ("POST", ["analytics", "conversations", "details", "query"]) => {
                self.query_details(now, call)
            }
            (_, ["notifications", rest @ ..]) => self.notifications(now, call, token, rest),
            _ => Err(self.unknown(now, call)),
        }
    }

    fn conversation(&self, id: &str) -> Result<Answer, ApiError> {
        let id: Option<ConversationId> = id.parse().ok();
        id.and_then(|id| self.conversations.get(&id))
            .map(|kept| Answer::text(StatusCode::OK, "application/json", kept.body.to_string()))
            .ok_or_else(|| ApiError::not_found("not.found"))
    }

    /// Remembers the newest state of a conversation for those who ask.
    pub(crate) fn remember(&mut self, now: Timestamp, snapshot: &Snapshot) {
        let id = snapshot.conversation;
        let body = snapshot.body.clone();
        let kept = match self.conversations.entry(id) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.conversation_order.push_back(id);
                entry.insert(Kept { body: body.clone(), records: Records::default() })
            }
        };
        kept.body = body;
        kept.records.add(now, now + self.config.analytics_lag, snapshot.record.clone());
        if self.conversation_order.len() > CONVERSATIONS_MAX
            && let Some(oldest) = self.conversation_order.pop_front()
        {
            self.conversations.remove(&oldest);
        }
    }
}

impl World {
    /// Keeps a violation.
    pub(crate) fn blame(&mut self, now: Timestamp, breach: Breach) {
        tracing::warn!(%breach, "the client broke a rule of the platform");
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation { at: now, breach });
        }
    }

    pub(super) fn blame_unknown(&mut self, now: Timestamp, call: &Call) {
        let method = call.method.to_string();
        self.blame(now, Breach::UnknownEndpoint { method, path: call.path() });
    }

    pub(super) fn unknown(&mut self, now: Timestamp, call: &Call) -> ApiError {
        self.blame_unknown(now, call);
        ApiError::not_found("not.found")
    }

    fn needs_user(&mut self, now: Timestamp, call: &Call) -> ApiError {
        self.blame(now, Breach::NeedsUser { path: call.path() });
        ApiError::bad_request("not.a.user", "This request requires a user context.")
    }

    /// Refuses if the OAuth client's role lacks a permission.
    pub(super) fn must_have(&self, permission: &str) -> Result<(), ApiError> {
        if !self.config.missing_permissions.contains(permission) {
            return Ok(());
        }
        let words = "Unable to perform the requested action. You are missing the following \
                     permission(s)";
        let message = format!("{words}: {permission}");
        Err(ApiError::new(StatusCode::FORBIDDEN, "missing.permissions", message))
    }

    fn judge_patience(&mut self, now: Timestamp, subject: &str) {
        let grace = GRACE.mul_f64(self.config.clock.speed());
        if let Some(broken) = self.waits.judge(subject, now, grace) {
            let (subject, told, waited) = (broken.subject, broken.told, broken.waited);
            self.blame(now, Breach::RetriedTooSoon { subject, told, waited });
        }
    }

    /// Lets the next requests whose path or query contains `path_part` fail.
    pub(crate) fn plant(&mut self, path_part: &str, left: usize, failure: Failure) {
        self.faults.push(Fault { path_part: path_part.to_owned(), failure, left });
    }

    fn take_fault(&mut self, call: &Call) -> Option<Failure> {
        let path = call.uri.path_and_query()?.as_str();
        let place = self.faults.iter().position(|fault| path.contains(&fault.path_part))?;
        let fault = &mut self.faults[place];
        let failure = fault.failure;
        fault.left = fault.left.saturating_sub(1);
        if fault.left == 0 {
            self.faults.remove(place);
        }
        Some(failure)
    }

    fn fail(&mut self, now: Timestamp, call: &Call, failure: Failure, correlation: Uuid) -> Reply {
        let (answer, hold, wait) = match failure {
            Failure::Status { status, retry_after } => {
                let status =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let refusal = ApiError {
                    retry_after: retry_after.map(|wait| wait.as_secs()),
                    ..ApiError::new(status, code_of(status), "This failure was planted by a test.")
                };
                let wait = match status {
                    StatusCode::TOO_MANY_REQUESTS => retry_after.unwrap_or(WAIT_AFTER_BARE_429),
                    StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT => retry_after.unwrap_or(WAIT_AFTER_FAULT),
                    _ => Duration::ZERO,
                };
                (refusal.answer(correlation), Duration::ZERO, wait)
            }
            Failure::Html => {
                let page = "<html><body><h1>502 Bad Gateway</h1></body></html>".to_owned();
                let answer = Answer::text(StatusCode::BAD_GATEWAY, "text/html", page);
                (answer, Duration::ZERO, WAIT_AFTER_FAULT)
            }
            Failure::HalfJson => {
                let half = r#"{"entities": [{"id": "6b1e"#.to_owned();
                let answer = Answer::text(StatusCode::OK, "application/json", half);
                (answer, Duration::ZERO, Duration::ZERO)
            }
            Failure::Silence(hold) => {
                let late = ApiError::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "request.timeout",
                    "The request timed out.",
                );
                (late.answer(correlation), hold, Duration::ZERO)
            }
        };
        if !wait.is_zero() {
            self.waits.owe(call.subject(), now, wait);
        }
        Reply { answer, hold }
    }

    /// Returns what was held against the client so far.
    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Returns the counts, those of what is alive brought up to date.
    pub(crate) fn stats(&self) -> Stats {
        let channels = self.channels.values();
        Stats {
            channels_alive: self.channels.len(),
            topics: channels.clone().map(|channel| channel.topics.len()).sum(),
            sockets_open: channels.map(|channel| channel.sockets.len()).sum(),
            ..self.stats
        }
    }
}

const fn code_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "bad.request",
        401 => "bad.credentials",
        403 => "missing.permissions",
        404 => "not.found",
        408 => "client.timeout",
        409 => "request.conflict",
        429 => "too.many.requests.retry.after",
        503 => "service.unavailable",
        504 => "request.timeout",
        _ => "internal.server.error",
    }
}
