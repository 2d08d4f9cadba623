//! Why a request was not let in: for our logs and counters, never for the answer.

/// One of the six components that a signature must cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoveredName {
    /// Path and query.
    RequestTarget,
    /// Host, as the client addressed it.
    Authority,
    /// `Audiohook-Organization-Id`.
    OrganizationId,
    /// `Audiohook-Session-Id`.
    SessionId,
    /// `Audiohook-Correlation-Id`.
    CorrelationId,
    /// `X-API-KEY`.
    ApiKey,
}

impl CoveredName {
    /// All six, in the order in which Genesys names them.
    pub const ALL: [Self; 6] = [
        Self::RequestTarget,
        Self::Authority,
        Self::OrganizationId,
        Self::SessionId,
        Self::CorrelationId,
        Self::ApiKey,
    ];

    /// Returns the name as it stands in `Signature-Input`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestTarget => "@request-target",
            Self::Authority => "@authority",
            Self::OrganizationId => "audiohook-organization-id",
            Self::SessionId => "audiohook-session-id",
            Self::CorrelationId => "audiohook-correlation-id",
            Self::ApiKey => "x-api-key",
        }
    }
}

/// Why a request is refused. Holds nothing that the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// There are more headers than any client sends.
    #[error("more headers than {max}", max = super::HEADERS_MAX)]
    TooManyHeaders,
    /// A header, or the request target, is larger than its maximum.
    #[error("{name} is larger than its maximum")]
    TooLarge {
        /// Which one.
        name: &'static str,
    },
    /// A header that must stand once stands twice.
    #[error("{name} stands more than once")]
    DuplicateHeader {
        /// Which one.
        name: &'static str,
    },
    /// A header that every request has is missing or empty.
    #[error("{name} is missing")]
    MissingHeader {
        /// Which one.
        name: &'static str,
    },
    /// A header, the target or the authority cannot be what it should be.
    #[error("{name} is malformed")]
    Malformed {
        /// Which one.
        name: &'static str,
    },
    /// Only one of the two signature headers is there.
    #[error("one signature header without the other")]
    HalfSigned,
    /// No label stands in both signature headers.
    #[error("no label common to signature and signature-input")]
    LabelMissing,
    /// There is more than one signature; the client sends one.
    #[error("more than one signature")]
    SeveralSignatures,
    /// The signature is not a plain byte sequence.
    #[error("the signature is not a byte sequence")]
    SignatureType,
    /// The signature input is not a list of plain strings with parameters.
    #[error("the signature input is not a list of component names")]
    ComponentsType,
    /// There are more components than any client covers.
    #[error("more components than {max}", max = super::COMPONENTS_MAX)]
    TooManyComponents,
    /// A component stands twice.
    #[error("a component is covered twice")]
    DuplicateComponent,
    /// A component that cannot be covered, or that the request lacks.
    #[error("a component is unknown or absent")]
    UnknownComponent,
    /// One of the six is not covered.
    #[error("{component} is not covered", component = .component.as_str())]
    Uncovered {
        /// Which one.
        component: CoveredName,
    },
    /// A parameter other than the five.
    #[error("an unknown signature parameter")]
    UnknownParameter,
    /// A parameter is missing.
    #[error("{name} is missing from the signature parameters")]
    MissingParameter {
        /// Which one.
        name: &'static str,
    },
    /// A parameter has the wrong type or range.
    #[error("the signature parameter {name} is malformed")]
    ParameterType {
        /// Which one.
        name: &'static str,
    },
    /// The nonce is shorter than 128 random bits need.
    #[error("the nonce is too short")]
    NonceTooShort,
    /// `keyid` is not the API key of the request.
    #[error("keyid differs from x-api-key")]
    KeyIdDiffers,
    /// Signed for a moment that has not come.
    #[error("created in the future")]
    CreatedInFuture,
    /// Past `expires`.
    #[error("expired")]
    Expired,
    /// Not past `expires`, but older than we allow.
    #[error("older than the age limit")]
    TooOld,
    /// Nobody has this API key.
    #[error("unknown api key")]
    UnknownKey,
    /// Not signed, and the key has a secret.
    #[error("unsigned request for a key that requires a signature")]
    SignatureRequired,
    /// Signed, and the key has no secret to check it with.
    #[error("signed request for a key without a secret")]
    SignatureUnexpected,
    /// `alg` is missing or not `hmac-sha256`.
    #[error("algorithm is not hmac-sha256")]
    WrongAlgorithm,
    /// The signature is not 32 bytes long.
    #[error("the signature has the wrong length")]
    SignatureLength,
    /// The signature does not fit the request.
    #[error("signature mismatch")]
    SignatureMismatch,
    /// The key is not bound to the organization that the request names.
    #[error("the key is not bound to this organization")]
    OrganizationNotBound,
    /// The nonce was used before.
    #[error("repeated nonce")]
    NonceRepeated,
}

impl Refusal {
    /// Returns a short fixed name for counters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooManyHeaders => "too_many_headers",
            Self::TooLarge { .. } => "too_large",
            Self::DuplicateHeader { .. } => "duplicate_header",
            Self::MissingHeader { .. } => "missing_header",
            Self::Malformed { .. } => "malformed",
            Self::HalfSigned => "half_signed",
            Self::LabelMissing => "label_missing",
            Self::SeveralSignatures => "several_signatures",
            Self::SignatureType => "signature_type",
            Self::ComponentsType => "components_type",
            Self::TooManyComponents => "too_many_components",
            Self::DuplicateComponent => "duplicate_component",
            Self::UnknownComponent => "unknown_component",
            Self::Uncovered { .. } => "uncovered",
            Self::UnknownParameter => "unknown_parameter",
            Self::MissingParameter { .. } => "missing_parameter",
            Self::ParameterType { .. } => "parameter_type",
            Self::NonceTooShort => "nonce_too_short",
            Self::KeyIdDiffers => "key_id_differs",
            Self::CreatedInFuture => "created_in_future",
            Self::Expired => "expired",
            Self::TooOld => "too_old",
            Self::UnknownKey => "unknown_key",
            Self::SignatureRequired => "signature_required",
            Self::SignatureUnexpected => "signature_unexpected",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::SignatureLength => "signature_length",
            Self::SignatureMismatch => "signature_mismatch",
            Self::OrganizationNotBound => "organization_not_bound",
            Self::NonceRepeated => "nonce_repeated",
        }
    }
}
