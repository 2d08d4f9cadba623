//! What goes wrong, as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sidetone_model::{AgentId, Pii};
use sidetone_ports::{StoreError, chain};
use sidetone_tracking::{CoverageError, PeopleError, PlatformError};
use sidetone_user_file::{FieldError, FileError, RowError};
use sidetone_users::UsersError;

use crate::platforms::NoClient;

/// One bad field of a request, or of a row of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BadField {
    /// Which row of the file, as a spreadsheet counts: the header and empty rows too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Which field, by the name of its column.
    pub field: String,
    /// What the file calls the column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The value as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Pii<String>>,
    /// The name of the person in that row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<Pii<String>>,
    /// What is wrong, and what would be right; never the value.
    pub reason: String,
}

/// An answer that says why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(serialize_with = "number")]
    status: StatusCode,
    title: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<BadField>,
    /// The methods that the path has, where the router does not say so.
    #[serde(skip)]
    allow: Option<&'static str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde wants")]
fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// Something else that a host of the router has to say.
    pub fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), errors: Vec::new(), allow: None }
    }

    /// Returns the same, which names bad fields.
    #[must_use]
    pub fn naming(self, errors: Vec<BadField>) -> Self {
        Self { errors, ..self }
    }

    /// Nobody was named who may call.
    pub fn unauthorized() -> Self {
        let detail = "send the header Authorization: Bearer, with a token that is good here";
        Self::new(StatusCode::UNAUTHORIZED, "no good token", detail)
    }

    /// The caller may not do that.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not allowed", detail)
    }

    /// The request names another host than this machine.
    pub(crate) fn misdirected() -> Self {
        let detail = "without tokens this API answers only requests for localhost or a loopback \
                      address; add the name to api.hosts, or create [[api.tokens]]";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "misdirected request", detail)
    }

    /// Nobody has that id in the caller's organization, wherever else somebody may.
    pub(crate) fn no_user(agent: &AgentId) -> Self {
        let detail = UsersError::Unknown { agents: vec![agent.clone()] }.to_string();
        Self::new(StatusCode::NOT_FOUND, "no such user", detail)
    }

    /// A parameter cannot be.
    pub fn parameter(field: &str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let detail = format!("{field}: {reason}");
        let problem = Self::new(StatusCode::BAD_REQUEST, "a bad parameter", detail);
        let bad = BadField { field: field.to_owned(), reason, ..BadField::default() };
        Self { errors: vec![bad], ..problem }
    }

    /// The path is there, and not for that method.
    pub fn not_like_that(method: &Method, uri: &Uri) -> Self {
        let detail = format!("{} does not know {method}", uri.path());
        let allow = match uri.path().strip_prefix("/v1/users/") {
            Some("sync") => Some("POST"),
            Some(_) => Some("GET,HEAD,PATCH,DELETE"),
            None => None,
        };
        Self { allow, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "not like that", detail) }
    }

    /// Nobody is known who could be asked about the caller's organization.
    pub(crate) fn no_client() -> Self {
        let detail = "no OAuth client of your organization is known here; whoever runs this \
                      enters one: `sidetone org add` on one machine, the secret for Genesys Cloud \
                      in AWS";
        Self::new(StatusCode::CONFLICT, "nobody to ask", detail)
    }

    /// Genesys makes us wait longer than the caller would.
    pub(crate) fn takes_too_long() -> Self {
        let detail = "Genesys takes too long to answer; nothing was changed. Ask for less at once, \
                      or use the command `sidetone`, which waits";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "try again", detail)
    }

    /// Returns the status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    fn fields(errors: Vec<FieldError>) -> Self {
        let detail = UsersError::Fields { errors: errors.clone() }.to_string();
        let bad = |error: FieldError| BadField {
            field: error.column.to_owned(),
            value: given(error.value),
            reason: error.reason,
            ..BadField::default()
        };
        let errors = errors.into_iter().map(bad).collect();
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad fields", detail) }
    }

    fn fault(error: &dyn std::error::Error) -> Self {
        // Who called is not told what is behind the door.
        tracing::error!(error = chain(error), "the store of users cannot be reached");
        let detail = "the users cannot be reached at the moment; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "try again", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let allow = self.allow;
        let mut response = (status, Json(self)).into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<UsersError> for Problem {
    fn from(error: UsersError) -> Self {
        match error {
            UsersError::Unknown { .. } => {
                Self::new(StatusCode::NOT_FOUND, "no such user", error.to_string())
            }
            UsersError::NoChange { .. } => {
                Self::new(StatusCode::NOT_FOUND, "no such change", error.to_string())
            }
            UsersError::Exists { .. } | UsersError::ChangedSince { .. } => {
                Self::new(StatusCode::CONFLICT, "it stands otherwise", error.to_string())
            }
            UsersError::ManyRemoved { removed, .. } => {
                let detail = format!(
                    "{error}. If that is meant, send confirm_removals={removed}, or put the file under \
                     replace/confirmed/ in the bucket; dry_run=true shows who would be removed"
                );
                Self::new(StatusCode::CONFLICT, "Conflict", detail)
            }
            UsersError::Fields { errors } => Self::fields(errors),
            UsersError::Crowded => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "try again", error.to_string())
            }
            UsersError::Store(error) => Self::fault(&error),
        }
    }
}

impl From<NoClient> for Problem {
    fn from(error: NoClient) -> Self {
        tracing::error!(error = chain(&error), "the users API has no client to ask Genesys with");
        let detail = "the OAuth client of your organization cannot be read at the moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "try again", detail)
    }
}

impl From<PlatformError> for Problem {
    fn from(error: PlatformError) -> Self {
        tracing::warn!(error = chain(&error), "the users API could not ask Genesys");
        let refused = |detail| Self::new(StatusCode::CONFLICT, "Genesys refuses", detail);
        match error {
            PlatformError::Credentials { .. } => {
                refused("Genesys refuses the OAuth client of your organization: its id or secret")
            }
            PlatformError::OtherOrganization { .. } => {
                refused("the OAuth client that is known here belongs to another organization")
            }
            PlatformError::Refused { .. } if error.is_forbidden() => refused(PERMISSIONS),
            PlatformError::Throttled { retry_after, .. } => {
                let seconds = retry_after.as_secs();
                let detail = format!("Genesys wants a rest of {seconds} s; nothing was changed");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "try again", detail)
            }
            PlatformError::Refused { .. }
            | PlatformError::Unavailable { .. }
            | PlatformError::Unreachable { .. }
            | PlatformError::TimedOut { .. }
            | PlatformError::Unexpected { .. } => {
                let detail = "Genesys could not be asked; nothing was changed";
                Self::new(StatusCode::BAD_GATEWAY, "try again", detail)
            }
        }
    }
}

/// What to do about a role that lacks something.
const PERMISSIONS: &str = "the OAuth client's role lacks a permission: it needs Directory > User > \
    View; Routing > Queue > View for queues; Directory > Group > View for groups; Authorization > \
    Division > View for divisions; each in all divisions of your agents and queues";

impl From<CoverageError> for Problem {
    fn from(error: CoverageError) -> Self {
        match error {
            CoverageError::Platform(error) => error.into(),
            CoverageError::Store(error) => error.into(),
            CoverageError::NoQueue { .. } => Self::parameter("queue", error.to_string()),
        }
    }
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        let detail = error.to_string();
        match error {
            PeopleError::Platform(error) => error.into(),
            PeopleError::NoSuch { kind, .. } | PeopleError::Several { kind, .. } => {
                Self::parameter(&format!("{kind}s"), detail)
            }
            PeopleError::Nobody => Self::new(StatusCode::CONFLICT, "nobody there", detail),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::fault(&error)
    }
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        let detail = error.to_string();
        match error {
            FileError::Read(_)
            | FileError::NotText { .. }
            | FileError::OtherEncoding { .. }
            | FileError::OpenQuote { .. }
            | FileError::Header { .. } => not_a_file(detail),
            FileError::Encoding { .. } => not_a_file(format!(
                "{detail}: in a request with the parameter encoding=windows-1252, in the command \
                 with --encoding"
            )),
            FileError::UnknownColumns { .. } => not_a_file(format!(
                "{detail}. Remove them, or leave them out with ignore_unknown=true, or send \
                 map=COLUMN=FIELD for each that is one of these"
            )),
            FileError::TooLarge { .. } | FileError::TooLong { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too large a file", detail)
            }
            FileError::Rows(errors) => {
                let bad = |error: RowError| BadField {
                    row: Some(error.row),
                    column: (error.field != error.column).then_some(error.column),
                    field: error.field.to_owned(),
                    value: given(error.value),
                    person: given(error.person),
                    reason: error.reason,
                };
                let errors = errors.first.into_iter().map(bad).collect();
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad rows", detail);
                Self { errors, ..problem }
            }
        }
    }
}

fn not_a_file(detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not a file of users", detail)
}

fn given(text: Pii<String>) -> Option<Pii<String>> {
    (!text.reveal().is_empty()).then_some(text)
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let title = "not what is documented";
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too large", rejection.body_text())
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                let detail = "send application/json";
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, title, detail)
            }
            _ => Self::new(StatusCode::BAD_REQUEST, title, rejection.body_text()),
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "a bad parameter", rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "a bad path", rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return FileError::TooLarge { max: sidetone_user_file::FILE_BYTES_MAX }.into();
        }
        Self::new(StatusCode::BAD_REQUEST, "a broken request", rejection.body_text())
    }
}
