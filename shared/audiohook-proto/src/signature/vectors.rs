//! The description's test vectors, and its named mistakes, each made on purpose.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::base::{mac, signature_base};
use super::fixture::{
    COMPONENTS, Request, V1_SECRET, V2_CREATED, V2_SECRET, ring, signature_value,
};
use super::{CoveredName, KeyId, Refusal, SIGNATURE_LIFETIME, Secret, SigningRequest, sign};
use sidetone_model::Timestamp;

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encoded_mac(key: &[u8], base: &[u8]) -> String {
    STANDARD.encode(mac(key, base))
}

fn check_base(request: &Request, length: usize, digest: &str) {
    let base = request.base();
    assert_eq!(base.len(), length);
    assert_eq!(hex_digest(&base), digest);
}

/// A wrong signature must be what the named mistake gives, and must be refused.
fn check_mistake(wrong: &str, made: &[u8; 32]) {
    assert_eq!(STANDARD.encode(made), wrong);
    let request = Request::v1().with("signature", format!("sig1=:{wrong}:"));
    assert_eq!(request.answer(&ring()), Err(Refusal::SignatureMismatch));
}

#[test]
fn c07_v1_of_the_official_documentation() {
    let request = Request::v1();
    check_base(&request, 593, "6fc7f72e95dddd7420441f42fb08c533151f55c9d4603a3632cdebb4488afd5f");
    let verified = request.answer(&ring()).unwrap();
    let signed = verified.signed.unwrap();
    assert_eq!(signed.created, Timestamp::from_millis(1_641_013_200_000));
    assert_eq!(signed.expires_at, Timestamp::from_millis(3_282_026_430_000));
    assert_eq!(signed.accepted_until, Timestamp::from_millis(1_641_013_213_000));
}

#[test]
fn c19_v1_with_the_secret_undecoded_is_refused() {
    let made = mac(V1_SECRET.as_bytes(), &Request::v1().base());
    check_mistake("wRxUC1f7b+Wz3Y++v+aM7CmOEinS2pqhd86ow+t2cPo=", &made);
}

#[test]
fn v1_with_a_line_feed_after_the_last_line_is_refused() {
    let mut base = Request::v1().base();
    base.push(b'\n');
    let made = mac(&STANDARD.decode(V1_SECRET).unwrap(), &base);
    check_mistake("qd857Ibapdf8oJvjKmTFihGzTCL9ui6dOMLFbNMOfHY=", &made);
}

#[test]
fn v1_with_the_method_before_the_path_is_refused() {
    let base = String::from_utf8(Request::v1().base()).unwrap();
    let base = base.replacen("\"@request-target\": /", "\"@request-target\": get /", 1);
    let made = mac(&STANDARD.decode(V1_SECRET).unwrap(), base.as_bytes());
    check_mistake("iNUZzzWEGOPse8kuvU0NeuNP+zh0oTCDthdbfVoohCE=", &made);
}

#[test]
fn c08_v4_a_correct_signature_that_does_not_cover_the_authority_is_refused() {
    let base = String::from_utf8(Request::v1().base()).unwrap();
    let base = base.replace("\"@authority\"", "\"host\"");
    let wrong = "zupMJUMfd/kMuvKc5zhRyfJPE3jTROuz1S1hn8SCTpE=";
    assert_eq!(encoded_mac(&STANDARD.decode(V1_SECRET).unwrap(), base.as_bytes()), wrong);

    let member = base.rsplit_once("\"@signature-params\": ").unwrap().1;
    let request = Request::v1()
        .adding("host", "audiohook.example.com")
        .with("signature-input", format!("sig1={member}"))
        .with("signature", format!("sig1=:{wrong}:"));
    assert_eq!(
        request.answer(&ring()),
        Err(Refusal::Uncovered { component: CoveredName::Authority })
    );
    // The same bytes under V1's own input do not fit either.
    let request = Request::v1().with("signature", format!("sig1=:{wrong}:"));
    assert_eq!(request.answer(&ring()), Err(Refusal::SignatureMismatch));
}

#[test]
fn c07_v2_with_query_and_padded_key() {
    check_base(
        &Request::v2(),
        572,
        "fb380d37c4afae526d2bb72c30ec97c82c897c19503148b8f9d5f0b4a484edd8",
    );
    // Our rule: created − 3 to min(expires, created + 10) + 3.
    for (second, expected) in [
        (-4, Some(Refusal::CreatedInFuture)),
        (-3, None),
        (0, None),
        (7, None),
        (8, None),
        (13, None),
        (14, Some(Refusal::Expired)),
    ] {
        let answer = Request::v2().at(V2_CREATED + second).answer(&ring());
        assert_eq!(answer.err(), expected, "created + {second}");
    }
}

#[test]
fn the_limits_of_the_clock_are_exact_to_the_microsecond() {
    for (micros, accepted) in
        [(-3_000_001, false), (-3_000_000, true), (13_000_000, true), (13_000_001, false)]
    {
        let mut request = Request::v2();
        request.now_micros += micros;
        assert_eq!(request.answer(&ring()).is_ok(), accepted, "{micros}");
    }
}

#[test]
fn c18_v2_without_its_query_is_refused() {
    let mut request = Request::v2();
    request.target = "/hooks/v2".to_owned();
    assert_eq!(request.answer(&ring()), Err(Refusal::SignatureMismatch));
}

#[test]
fn c07_c17_v3_in_another_order_on_another_port() {
    check_base(
        &Request::v3(),
        549,
        "b0f3ba823c5e15fc5d6c1ea9d2322c0917a63ddbcf92586213734cad6a01dff8",
    );
    assert!(Request::v3().answer(&ring()).is_ok());
}

#[test]
fn v3_with_session_and_correlation_swapped_is_refused() {
    let request = Request::v3()
        .with("audiohook-session-id", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")
        .with("audiohook-correlation-id", "11111111-2222-4333-8444-555555555555");
    assert_eq!(request.answer(&ring()), Err(Refusal::SignatureMismatch));
}

#[test]
fn v5_the_core_agrees_with_the_ietf_draft() {
    let key = STANDARD
        .decode(
            "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasj\
             lTMtDQ==",
        )
        .unwrap();
    let base = signature_base(
        [
            ("date", b"Tue, 20 Apr 2021 02:07:55 GMT".as_slice()),
            ("@authority", b"example.com"),
            ("content-type", b"application/json"),
        ],
        "(\"date\" \"@authority\" \"content-type\");created=1618884473\
         ;keyid=\"test-shared-secret\"",
    );
    assert_eq!(encoded_mac(&key, &base), "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");
}

#[test]
fn signing_writes_v2_as_the_real_client_does() {
    let headers = sign(
        &SigningRequest {
            target: "/hooks/v2?tenant=acme&lane=7",
            authority: "Ingest.example.net:443",
            organization_id: "0f0e0d0c-0b0a-4908-8706-050403020100",
            session_id: "11111111-2222-4333-8444-555555555555",
            correlation_id: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
            key_id: &KeyId::new("demo-key-0001/ABC+def="),
            nonce: "q3Yk0pXcT1mVnZ8sR2dLhA==",
            created: Timestamp::from_millis(V2_CREATED * 1_000 + 999),
            lifetime: std::time::Duration::from_secs(10),
        },
        &Secret::from_base64(V2_SECRET).unwrap(),
    )
    .unwrap();
    let expected = Request::v2();
    let value = |name: &str| {
        let (_, value) = expected.headers.iter().find(|(known, _)| known == name).unwrap();
        String::from_utf8(value.clone()).unwrap()
    };
    assert_eq!(headers.signature_input, value("Signature-Input"));
    assert_eq!(headers.signature, value("Signature"));
    assert_eq!(SIGNATURE_LIFETIME.as_secs(), 30);
}

#[test]
fn a_resigned_request_is_accepted_so_that_refusals_below_mean_something() {
    let parameters = ";keyid=\"demo-key-0001/ABC+def=\";nonce=\"0123456789012345678901\"\
        ;alg=\"hmac-sha256\";created=1767225600;expires=1767225610";
    let request = Request::v2().resigned(&format!("{COMPONENTS}{parameters}"), V2_SECRET);
    assert!(request.answer(&ring()).is_ok());
    let truncated = Request::v2().with("signature", signature_value(&[7; 31]));
    assert_eq!(truncated.answer(&ring()), Err(Refusal::SignatureLength));
}
