//! Requests for the tests: the vectors of docs/wire/audiohook.md, section 2.4, as a client
//! sends them, and ways to spoil them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sidetone_model::{OrganizationId, Timestamp};

use super::base::mac;
use super::{
    ApiKey, Credentials, KeyId, KeyRing, Refusal, Secret, SignaturePolicy, SignatureRule,
    SignedRequest, Verified,
};

/// Stands in for the secret of an unknown key.
pub(super) const DECOY: [u8; 32] = [0x5d; 32];

/// The secret of V1.
pub(super) const V1_SECRET: &str = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU=";

/// The secret of V2 and V3.
pub(super) const V2_SECRET: &str = "YXVkaW9ob29rLWZhY3RzaGVldC1kZW1vLXNlY3JldCE=";

/// When V2 and V3 were made, in UNIX seconds.
pub(super) const V2_CREATED: i64 = 1_767_225_600;

/// The parameters of V2.
pub(super) const V2_PARAMETERS: &str = ";keyid=\"demo-key-0001/ABC+def=\"\
    ;nonce=\"q3Yk0pXcT1mVnZ8sR2dLhA==\";alg=\"hmac-sha256\"\
    ;created=1767225600;expires=1767225610";

/// The components in Genesys' order.
pub(super) const COMPONENTS: &str = "(\"@request-target\" \"@authority\" \
    \"audiohook-organization-id\" \"audiohook-session-id\" \"audiohook-correlation-id\" \
    \"x-api-key\")";

/// One upgrade request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) target: String,
    pub(super) authority: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) now_micros: i64,
}

impl Request {
    fn new(target: &str, authority: &str, now: i64, headers: &[(&str, &str)]) -> Self {
        Self {
            target: target.to_owned(),
            authority: authority.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect(),
            now_micros: now * 1_000_000,
        }
    }

    /// V1: the official documentation's request, a second after it was made.
    pub(super) fn v1() -> Self {
        let input = format!(
            "sig1={COMPONENTS};keyid=\"SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh\"\
             ;nonce=\"VGhpc0lzQVVuaXF1ZU5vbmNl\";alg=\"hmac-sha256\"\
             ;created=1641013200;expires=3282026430"
        );
        let headers = [
            ("audiohook-organization-id", "d7934305-0972-4844-938e-9060eef73d05"),
            ("audiohook-session-id", "30b0e395-84d3-4570-ac13-9a62d8f514c0"),
            ("audiohook-correlation-id", "e160e428-53e2-487c-977d-96989bf5c99d"),
            ("x-api-key", "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"),
            ("signature-input", &input),
            ("signature", "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:"),
        ];
        let target = "/api/v1/voicebiometrics/ws";
        Self::new(target, "audiohook.example.com", 1_641_013_201, &headers)
    }

    /// V2: query string, padded key, realistic lifetime; at the moment it was made.
    pub(super) fn v2() -> Self {
        let input = format!("sig1={COMPONENTS}{V2_PARAMETERS}");
        let signature = ("Signature", "sig1=:syIERIuhpvhq9otk3hayuJLoigyfM+OLfstP5cKO0xo=:");
        let mut headers = V2_HEADERS.to_vec();
        headers.extend([("Signature-Input", input.as_str()), signature]);
        Self::new("/hooks/v2?tenant=acme&lane=7", "ingest.example.net", V2_CREATED, &headers)
    }

    /// V3: another order of components and parameters, another port.
    pub(super) fn v3() -> Self {
        let input = "sig1=(\"x-api-key\" \"@authority\" \"audiohook-session-id\" \
             \"@request-target\" \"audiohook-correlation-id\" \"audiohook-organization-id\")\
             ;created=1767225600;expires=1767225630;alg=\"hmac-sha256\"\
             ;keyid=\"demo-key-0001/ABC+def=\";nonce=\"AAECAwQFBgcICQoLDA0ODw==\"";
        let signature = ("Signature", "sig1=:hbWaMEkdzqXTE8UwhltcltVcbE3BqyEmXqgVvEcQe7U=:");
        let mut headers = V2_HEADERS.to_vec();
        headers.extend([("Signature-Input", input), signature]);
        Self::new("/hooks/v2", "localhost:8443", V2_CREATED, &headers)
    }

    /// V2 without signature.
    pub(super) fn unsigned() -> Self {
        Self::v2().without("signature").without("signature-input")
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub(super) fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).adding(name, value)
    }

    pub(super) fn adding(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(super) fn at(mut self, seconds: i64) -> Self {
        self.now_micros = seconds * 1_000_000;
        self
    }

    /// Puts other input in place of the signature's and signs it anew, correctly.
    pub(super) fn resigned(self, input: &str, secret: &str) -> Self {
        let unsigned = self.with("signature-input", format!("sig1={input}"));
        let request = unsigned.clone().with("signature", "sig1=:AAAA:");
        match request.parse() {
            Ok(credentials) => {
                let base = credentials.proof.expect("both headers are there").base;
                let key = STANDARD.decode(secret).expect("base64");
                request.with("signature", signature_value(&mac(&key, &base)))
            }
            // It is refused before its signature matters.
            Err(_) => request,
        }
    }

    pub(super) fn parse(&self) -> Result<Credentials, Refusal> {
        let request = SignedRequest {
            target: &self.target,
            authority: &self.authority,
            arrived_at: Timestamp::from_micros(self.now_micros),
        };
        let headers = self.headers.iter();
        Credentials::parse(&request, headers.map(|(name, value)| (name.as_str(), value.as_slice())))
    }

    /// The way of a door: parse, look up, verify.
    pub(super) fn answer(&self, ring: &KeyRing) -> Result<Verified, Refusal> {
        let credentials = self.parse()?;
        let key = ring.find(credentials.key_id());
        credentials.verify(key, &DECOY, &SignaturePolicy::default())
    }

    pub(super) fn base(&self) -> Vec<u8> {
        self.parse().expect("parses").proof.expect("is signed").base
    }
}

const V2_HEADERS: [(&str, &str); 4] = [
    ("Audiohook-Organization-Id", "0f0e0d0c-0b0a-4908-8706-050403020100"),
    ("Audiohook-Session-Id", "11111111-2222-4333-8444-555555555555"),
    ("Audiohook-Correlation-Id", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"),
    ("X-API-KEY", "demo-key-0001/ABC+def="),
];

pub(super) fn signature_value(bytes: &[u8]) -> String {
    format!("sig1=:{}:", STANDARD.encode(bytes))
}

pub(super) fn organization(text: &str) -> OrganizationId {
    text.parse().expect("valid")
}

pub(super) fn key(id: &str, secrets: &[&str], organization_id: &str) -> ApiKey {
    let rule = if secrets.is_empty() { SignatureRule::ApiKeyOnly } else { SignatureRule::Required };
    let secrets = secrets.iter().map(|text| Secret::from_base64(text).expect("valid")).collect();
    ApiKey::new(KeyId::new(id), secrets, [organization(organization_id)], rule).expect("valid")
}

/// Knows the keys of all vectors, and one that goes without signature.
pub(super) fn ring() -> KeyRing {
    let v1 = "d7934305-0972-4844-938e-9060eef73d05";
    let v2 = "0f0e0d0c-0b0a-4908-8706-050403020100";
    KeyRing::new(vec![
        key("SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh", &[V1_SECRET], v1),
        key("demo-key-0001/ABC+def=", &[V2_SECRET], v2),
        key("open-key", &[], v2),
    ])
    .expect("valid")
}
