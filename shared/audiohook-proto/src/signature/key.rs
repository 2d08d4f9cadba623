//! API keys and their secrets, which no log ever shows.
//!
//! An API key is a secret too: where no signature is configured it is the only one.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256};
use sidetone_model::OrganizationId;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Live secrets of one key: the one in use and the one it is being changed to.
pub const SECRETS_MAX: usize = 2;

/// Bytes of the longest API key; a Genesys administrator types it into a form.
pub const KEY_ID_BYTES_MAX: usize = 256;

/// Bytes of the longest decoded secret; far above what HMAC-SHA256 can use.
const SECRET_BYTES_MAX: usize = 1_024;

/// Genesys takes secrets with padding and without, in the standard alphabet.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The value of `X-API-KEY`; it prints as a fingerprint.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(Box<str>);

impl KeyId {
    /// Wraps a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the key itself; the caller answers for where it goes.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns eight hexadecimal digits that tell keys apart in logs and reveal none.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Compares without telling by its time where the difference is.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.fingerprint())
    }
}

/// A shared secret; wiped when dropped, printed as nothing.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

/// A text that cannot be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not base64 in the standard alphabet.
    #[error("the secret is not base64")]
    NotBase64,
    /// Nothing at all; signing is switched off by [`SignatureRule::ApiKeyOnly`] instead.
    #[error("the secret is empty")]
    Empty,
    /// Longer than any sensible secret.
    #[error("the secret is longer than {max} bytes", max = SECRET_BYTES_MAX)]
    TooLong,
}

impl Secret {
    /// Decodes a client secret as an administrator pasted it: standard alphabet, padding or not.
    ///
    /// Errors: [`SecretError`] if it is no base64, empty or huge.
    pub fn from_base64(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if text.len() > SECRET_BYTES_MAX.div_ceil(3) * 4 {
            return Err(SecretError::TooLong);
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        LENIENT.decode_vec(text, &mut bytes).map_err(|_| SecretError::NotBase64)?;
        Self::from_bytes(&bytes)
    }

    /// Copies a secret that is already decoded.
    ///
    /// Errors: [`SecretError`] if it is empty or huge.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        match bytes.len() {
            0 => Err(SecretError::Empty),
            1..=SECRET_BYTES_MAX => Ok(Self(bytes.to_vec())),
            _ => Err(SecretError::TooLong),
        }
    }

    /// Returns how many bytes it has.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Returns the bytes that key the MAC.
    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Whether the requests of a key must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureRule {
    /// Every request, with one of the key's secrets.
    Required,
    /// None: the integration has no client secret, and the key alone lets in.
    ApiKeyOnly,
}

/// One integration's credentials and what they open.
#[derive(Debug, Clone)]
pub struct ApiKey {
    id: KeyId,
    secrets: Vec<Secret>,
    organizations: BTreeSet<OrganizationId>,
    rule: SignatureRule,
}

/// Why an API key cannot be configured like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// Not of the form that Genesys accepts.
    #[error("an api key has 1 to {max} of A-Z a-z 0-9 + / _ - and at most two = at its end",
        max = KEY_ID_BYTES_MAX)]
    Form,
    /// No organization: the key would open nothing, or everything.
    #[error("an api key is bound to at least one organization")]
    NoOrganization,
    /// A key that must sign has no secret.
    #[error("a signing api key needs a secret")]
    NoSecret,
    /// A key that must not sign has a secret.
    #[error("an api key without signature must have no secret")]
    SecretUnused,
    /// More secrets than may be live at a time.
    #[error("an api key has at most {max} live secrets", max = SECRETS_MAX)]
    TooManySecrets,
    /// Two keys of a ring have the same id.
    #[error("two api keys have the same id")]
    Twice,
}

impl ApiKey {
    /// Checks a key's configuration.
    ///
    /// Errors: [`ApiKeyError`] names the rule it breaks.
    pub fn new(
        id: KeyId,
        secrets: Vec<Secret>,
        organizations: impl IntoIterator<Item = OrganizationId>,
        rule: SignatureRule,
    ) -> Result<Self, ApiKeyError> {
        let organizations: BTreeSet<OrganizationId> = organizations.into_iter().collect();
        if !has_key_form(id.reveal()) {
            return Err(ApiKeyError::Form);
        }
        if organizations.is_empty() {
            return Err(ApiKeyError::NoOrganization);
        }
        match (rule, secrets.len()) {
            (SignatureRule::Required, 0) => Err(ApiKeyError::NoSecret),
            (SignatureRule::Required, 1..=SECRETS_MAX) | (SignatureRule::ApiKeyOnly, 0) => {
                Ok(Self { id, secrets, organizations, rule })
            }
            (SignatureRule::Required, _) => Err(ApiKeyError::TooManySecrets),
            (SignatureRule::ApiKeyOnly, _) => Err(ApiKeyError::SecretUnused),
        }
    }

    /// Returns the value of `X-API-KEY`.
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// Returns the live secrets.
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Returns whether requests must be signed.
    pub const fn rule(&self) -> SignatureRule {
        self.rule
    }

    /// Returns whether the key may speak for an organization.
    pub fn is_bound_to(&self, organization: OrganizationId) -> bool {
        self.organizations.contains(&organization)
    }

    /// Returns the organizations the key may speak for.
    pub fn organizations(&self) -> impl Iterator<Item = OrganizationId> {
        self.organizations.iter().copied()
    }
}

/// `^[a-zA-Z0-9+/_-]+={0,2}$`, as Genesys' form demands.
fn has_key_form(text: &str) -> bool {
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    let body = &text[..text.len() - padding];
    (1..=KEY_ID_BYTES_MAX).contains(&text.len())
        && padding <= 2
        && !body.is_empty()
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/_-".contains(&byte))
}

/// Every key a door knows.
#[derive(Debug, Clone, Default)]
pub struct KeyRing(Vec<ApiKey>);

impl KeyRing {
    /// Collects keys.
    ///
    /// Errors: [`ApiKeyError::Twice`] if two have one id.
    pub fn new(keys: Vec<ApiKey>) -> Result<Self, ApiKeyError> {
        let ids: BTreeSet<&KeyId> = keys.iter().map(ApiKey::id).collect();
        if ids.len() < keys.len() {
            return Err(ApiKeyError::Twice);
        }
        Ok(Self(keys))
    }

    /// Returns the key with this id; compares all of them, so its time tells nothing.
    pub fn find(&self, id: &KeyId) -> Option<&ApiKey> {
        self.0.iter().fold(None, |found, key| if key.id.same_as(id) { Some(key) } else { found })
    }

    /// Returns the keys in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &ApiKey> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization() -> OrganizationId {
        "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap()
    }

    #[test]
    fn nothing_prints_a_secret_or_a_key() {
        let secret = Secret::from_base64("c2VjcmV0LXNlY3JldC1zZWNyZXQ=").unwrap();
        let key = ApiKey::new(
            KeyId::new("demo-key-0001"),
            vec![secret.clone()],
            [organization()],
            SignatureRule::Required,
        )
        .unwrap();
        let printed = format!("{secret:?} {key:?} {:?}", KeyRing::new(vec![key.clone()]).unwrap());
        for leak in ["secret-", "c2Vj", "demo-key", "115, 101"] {
            assert!(!printed.contains(leak), "{printed}");
        }
    }

    #[test]
    fn c19_decodes_secrets_with_and_without_padding() {
        for (text, expected) in [
            ("YQ==", "a"),
            ("YQ", "a"),
            ("YWI=", "ab"),
            ("YWI", "ab"),
            ("YWJj", "abc"),
            (" YWJj\n", "abc"),
            ("YR==", "a"),
        ] {
            let secret = Secret::from_base64(text).unwrap();
            assert_eq!(secret.expose(), expected.as_bytes(), "{text}");
        }
        assert_eq!(Secret::from_base64("_-_-").unwrap_err(), SecretError::NotBase64);
        assert_eq!(Secret::from_base64("a").unwrap_err(), SecretError::NotBase64);
        assert_eq!(Secret::from_base64("").unwrap_err(), SecretError::Empty);
        assert_eq!(Secret::from_base64(&"A".repeat(90_000)).unwrap_err(), SecretError::TooLong);
    }

    #[test]
    fn a_key_is_bound_and_has_the_secrets_its_rule_needs() {
        let secret = || Secret::from_base64("YWJj").unwrap();
        let key = |id: &str, secrets: usize, organizations: usize, rule| {
            ApiKey::new(
                KeyId::new(id),
                (0..secrets).map(|_| secret()).collect(),
                (0..organizations).map(|_| organization()),
                rule,
            )
            .map(|_| ())
        };
        use SignatureRule::{ApiKeyOnly, Required};
        assert_eq!(key("demo/key+1_-==", 2, 1, Required), Ok(()));
        assert_eq!(key("demo", 0, 1, ApiKeyOnly), Ok(()));
        assert_eq!(key("demo", 1, 0, Required), Err(ApiKeyError::NoOrganization));
        assert_eq!(key("demo", 0, 1, Required), Err(ApiKeyError::NoSecret));
        assert_eq!(key("demo", 3, 1, Required), Err(ApiKeyError::TooManySecrets));
        assert_eq!(key("demo", 1, 1, ApiKeyOnly), Err(ApiKeyError::SecretUnused));
        for id in ["", "=", "a===", "a b", "a=b", "ä"] {
            assert_eq!(key(id, 1, 1, Required), Err(ApiKeyError::Form), "{id}");
        }
    }

    #[test]
    fn a_ring_finds_by_id_and_refuses_doubles() {
        let key = |id: &str| {
            ApiKey::new(KeyId::new(id), vec![], [organization()], SignatureRule::ApiKeyOnly)
                .unwrap()
        };
        let ring = KeyRing::new(vec![key("one"), key("two")]).unwrap();
        assert_eq!(ring.find(&KeyId::new("two")).unwrap().id().reveal(), "two");
        assert!(ring.find(&KeyId::new("tw")).is_none());
        assert_eq!(KeyRing::new(vec![key("one"), key("one")]).unwrap_err(), ApiKeyError::Twice);
    }
}
