//! Statements 5 to 26 of the conformance checklist, by their numbers, and hostile input.
//!
//! Those that a door keeps (waiting, answering 401) are tested with the door; here is what it
//! answers by.

use proptest::prelude::*;

use super::fixture::{
    COMPONENTS, DECOY, Request, V1_SECRET, V2_CREATED, V2_PARAMETERS, V2_SECRET, key, ring,
    signature_value,
};
use super::{
    CoveredName, HEADERS_MAX, KeyRing, REFUSAL_BODY, REFUSAL_DELAY, Refusal, SignaturePolicy,
};

fn refused(request: &Request) -> Refusal {
    request.answer(&ring()).expect_err("must be refused")
}

/// V2 with other signature input, correctly signed.
fn input(input: &str) -> Request {
    Request::v2().resigned(input, V2_SECRET)
}

/// V2's input with one text replaced, correctly signed.
fn replaced(from: &str, to: &str) -> Request {
    let whole = format!("{COMPONENTS}{V2_PARAMETERS}");
    assert!(whole.contains(from), "{from}");
    input(&whole.replacen(from, to, 1))
}

#[test]
fn c01_header_names_count_in_any_case() {
    let mut request = Request::v2();
    for (name, _) in &mut request.headers {
        *name = name.to_uppercase();
    }
    assert!(request.answer(&ring()).is_ok());
}

#[test]
fn c05_a_missing_api_key_is_refused() {
    let missing = Refusal::MissingHeader { name: "x-api-key" };
    assert_eq!(refused(&Request::v2().without("x-api-key")), missing);
    assert_eq!(refused(&Request::v2().with("x-api-key", " ")), missing);
    assert_eq!(refused(&Request::unsigned().without("x-api-key")), missing);
}

#[test]
fn c06_an_unknown_key_is_refused_even_if_signed_with_the_decoy() {
    let empty = KeyRing::default();
    assert_eq!(Request::v2().answer(&empty), Err(Refusal::UnknownKey));
    assert_eq!(Request::unsigned().answer(&empty), Err(Refusal::UnknownKey));
    let decoy = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(DECOY)
    };
    let forged = Request::v2().resigned(&format!("{COMPONENTS}{V2_PARAMETERS}"), &decoy);
    assert_eq!(forged.answer(&empty), Err(Refusal::UnknownKey));
    assert_eq!(refused(&forged), Refusal::SignatureMismatch);
}

#[test]
fn c06_a_key_handed_in_for_another_is_as_good_as_none() {
    let credentials = Request::unsigned().parse().unwrap();
    let other = key("open-key", &[], "0f0e0d0c-0b0a-4908-8706-050403020100");
    let answer = credentials.verify(Some(&other), &DECOY, &SignaturePolicy::default());
    assert_eq!(answer, Err(Refusal::UnknownKey));
}

#[test]
fn c09_one_signature_header_without_the_other_is_refused() {
    assert_eq!(refused(&Request::v2().without("signature")), Refusal::HalfSigned);
    assert_eq!(refused(&Request::v2().without("signature-input")), Refusal::HalfSigned);
    let open = Request::v2().without("signature").with("x-api-key", "open-key");
    assert_eq!(refused(&open), Refusal::HalfSigned);
}

#[test]
fn c10_an_unsigned_request_for_a_key_with_a_secret_is_refused() {
    assert_eq!(refused(&Request::unsigned()), Refusal::SignatureRequired);
}

#[test]
fn c11_an_unsigned_request_for_a_key_without_secret_is_accepted() {
    let verified = Request::unsigned().with("x-api-key", "open-key").answer(&ring()).unwrap();
    assert_eq!(verified.signed, None);
    assert_eq!(verified.key_id.reveal(), "open-key");
}

#[test]
fn a_signed_request_for_a_key_without_secret_is_refused() {
    let request = Request::v2().with("x-api-key", "open-key");
    let parameters = V2_PARAMETERS.replace("demo-key-0001/ABC+def=", "open-key");
    let request = request.resigned(&format!("{COMPONENTS}{parameters}"), V2_SECRET);
    assert_eq!(refused(&request), Refusal::SignatureUnexpected);
}

#[test]
fn c12_a_key_id_that_differs_from_the_api_key_is_refused() {
    assert_eq!(
        refused(&replaced("demo-key-0001/ABC+def=", "demo-key-0002")),
        Refusal::KeyIdDiffers
    );
    let missing = replaced(";keyid=\"demo-key-0001/ABC+def=\"", "");
    assert_eq!(refused(&missing), Refusal::MissingParameter { name: "keyid" });
}

#[test]
fn c13_a_missing_or_short_nonce_is_refused() {
    let nonce = ";nonce=\"q3Yk0pXcT1mVnZ8sR2dLhA==\"";
    let missing = replaced(nonce, "");
    assert_eq!(refused(&missing), Refusal::MissingParameter { name: "nonce" });
    let short = replaced(nonce, ";nonce=\"012345678901234567890\"");
    assert_eq!(refused(&short), Refusal::NonceTooShort);
    assert!(replaced(nonce, ";nonce=\"0123456789012345678901\"").answer(&ring()).is_ok());
    let long = replaced(nonce, &format!(";nonce=\"{}\"", "n".repeat(257)));
    assert_eq!(refused(&long), Refusal::TooLarge { name: "nonce" });
}

#[test]
fn c14_a_signature_of_the_future_is_refused() {
    assert!(Request::v2().at(V2_CREATED - 3).answer(&ring()).is_ok());
    assert_eq!(refused(&Request::v2().at(V2_CREATED - 4)), Refusal::CreatedInFuture);
}

#[test]
fn c15_an_expired_signature_is_refused_and_so_is_an_old_one() {
    let short = replaced("expires=1767225610", "expires=1767225602");
    assert!(short.clone().at(V2_CREATED + 5).answer(&ring()).is_ok());
    assert_eq!(refused(&short.at(V2_CREATED + 6)), Refusal::Expired);
    let long = replaced("expires=1767225610", "expires=999999999999999");
    assert!(long.clone().at(V2_CREATED + 13).answer(&ring()).is_ok());
    assert_eq!(refused(&long.at(V2_CREATED + 14)), Refusal::TooOld);
}

#[test]
fn c15_skew_and_age_are_settings() {
    let policy = SignaturePolicy {
        skew: std::time::Duration::from_secs(1),
        age_max: std::time::Duration::from_secs(2),
    };
    let answer = |second: i64| {
        let credentials = Request::v3().at(V2_CREATED + second).parse().unwrap();
        credentials.verify(ring().find(credentials.key_id()), &DECOY, &policy).err()
    };
    assert_eq!(answer(-2), Some(Refusal::CreatedInFuture));
    assert_eq!(answer(-1), None);
    assert_eq!(answer(3), None);
    assert_eq!(answer(4), Some(Refusal::TooOld));
}

#[test]
fn c16_each_of_the_six_components_must_be_covered() {
    for component in CoveredName::ALL {
        let quoted = format!("\"{}\"", component.as_str());
        let names = COMPONENTS.trim_matches(['(', ')']).split(' ');
        let others: Vec<&str> = names.filter(|name| **name != quoted).collect();
        assert_eq!(others.len(), 5);
        let request = input(&format!("({}){V2_PARAMETERS}", others.join(" ")));
        assert_eq!(refused(&request), Refusal::Uncovered { component });
    }
}

#[test]
fn c16_other_headers_may_be_covered_if_they_are_there() {
    let more = format!("{COMPONENTS}{V2_PARAMETERS}").replacen(')', " \"user-agent\")", 1);
    let request = Request::v2().adding("User-Agent", "GenesysCloud-AudioHook-Client");
    assert!(request.clone().resigned(&more, V2_SECRET).answer(&ring()).is_ok());
    let altered = request.resigned(&more, V2_SECRET).with("user-agent", "other");
    assert_eq!(refused(&altered), Refusal::SignatureMismatch);
    assert_eq!(refused(&input(&more)), Refusal::UnknownComponent);
}

#[test]
fn c17_order_is_that_of_the_signature_input() {
    let request = Request::v3();
    let reordered = Request::v3().with("signature-input", {
        let (_, value) =
            request.headers.iter().find(|(name, _)| name == "Signature-Input").unwrap();
        String::from_utf8(value.clone())
            .unwrap()
            .replace("\"x-api-key\" \"@authority\"", "\"@authority\" \"x-api-key\"")
    });
    assert_eq!(refused(&reordered), Refusal::SignatureMismatch);
}

#[test]
fn c20_a_signature_of_another_length_is_refused() {
    for length in [0, 1, 31, 33, 64, 1_000] {
        let request = Request::v2().with("signature", signature_value(&vec![0xa5; length]));
        assert_eq!(refused(&request), Refusal::SignatureLength, "{length}");
    }
}

#[test]
fn c21_another_algorithm_is_refused_although_the_signature_fits() {
    assert_eq!(refused(&replaced("hmac-sha256", "hmac-sha512")), Refusal::WrongAlgorithm);
    assert_eq!(refused(&replaced("hmac-sha256", "HMAC-SHA256")), Refusal::WrongAlgorithm);
    assert_eq!(refused(&replaced(";alg=\"hmac-sha256\"", "")), Refusal::WrongAlgorithm);
    let token = replaced("\"hmac-sha256\"", "hmac-sha256");
    assert_eq!(refused(&token), Refusal::ParameterType { name: "alg" });
}

#[test]
fn c22_unknown_parameters_and_odd_components_are_refused() {
    let with = |component: &str| {
        let names = COMPONENTS.replacen(')', &format!(" {component})"), 1);
        refused(&input(&format!("{names}{V2_PARAMETERS}")))
    };
    assert_eq!(with("\"x-api-key\""), Refusal::DuplicateComponent);
    assert_eq!(with("\"@signature-params\""), Refusal::UnknownComponent);
    assert_eq!(with("\"@method\""), Refusal::UnknownComponent);
    assert_eq!(with("\"signature\""), Refusal::UnknownComponent);
    assert_eq!(with("\"X-Api-Key\""), Refusal::UnknownComponent);
    assert_eq!(with("\"\""), Refusal::UnknownComponent);
    assert_eq!(with("\"host\";sf"), Refusal::ComponentsType);
    assert_eq!(with("token"), Refusal::ComponentsType);
    assert_eq!(with("7"), Refusal::ComponentsType);
    assert_eq!(refused(&replaced("\"@authority\"", "\"@authority\";req")), Refusal::ComponentsType);
    assert_eq!(refused(&replaced(";alg", ";tag=\"x\";alg")), Refusal::UnknownParameter);
    let many: Vec<String> = (0..11).map(|number| format!("\"x-{number}\"")).collect();
    assert_eq!(with(&many.join(" ")), Refusal::TooManyComponents);
}

#[test]
fn c22_parameters_of_another_type_are_refused() {
    for (from, to, name) in [
        ("created=1767225600", "created=-1", "created"),
        ("created=1767225600", "created=1.5", "created"),
        ("created=1767225600", "created=\"1767225600\"", "created"),
        ("expires=1767225610", "expires=-5", "expires"),
        ("expires=1767225610", "expires", "expires"),
        ("keyid=\"demo-key-0001/ABC+def=\"", "keyid=demo", "keyid"),
        ("nonce=\"q3Yk0pXcT1mVnZ8sR2dLhA==\"", "nonce=:YWJj:", "nonce"),
    ] {
        assert_eq!(refused(&replaced(from, to)), Refusal::ParameterType { name }, "{to}");
    }
    for (parameter, name) in
        [(";created=1767225600", "created"), (";expires=1767225610", "expires")]
    {
        assert_eq!(refused(&replaced(parameter, "")), Refusal::MissingParameter { name });
    }
}

#[test]
fn c22_members_that_are_not_what_they_should_be_are_refused() {
    let good = format!("{COMPONENTS}{V2_PARAMETERS}");
    let signature = "syIERIuhpvhq9otk3hayuJLoigyfM+OLfstP5cKO0xo=";
    for (input, signature, expected) in [
        ("sig1=7".to_owned(), format!("sig1=:{signature}:"), Refusal::ComponentsType),
        (format!("sig1={good}"), "sig1=\"text\"".to_owned(), Refusal::SignatureType),
        (format!("sig1={good}"), format!("sig1=(:{signature}:)"), Refusal::SignatureType),
        (format!("sig1={good}"), format!("sig1=:{signature}:;x"), Refusal::SignatureType),
        (format!("sig1={good}"), format!("sig2=:{signature}:"), Refusal::LabelMissing),
        (String::new(), format!("sig1=:{signature}:"), Refusal::LabelMissing),
        (
            format!("sig1={good};"),
            format!("sig1=:{signature}:"),
            Refusal::Malformed { name: "signature-input" },
        ),
        (
            format!("sig1={good}"),
            format!("sig1=:{}:", signature.trim_end_matches('=')),
            Refusal::Malformed { name: "signature" },
        ),
        (
            format!("sig1={good}"),
            format!("sig1=:{}:", signature.replace("o=", "p=")),
            Refusal::Malformed { name: "signature" },
        ),
        (
            format!("sig1={good}, sig2={good}"),
            format!("sig1=:{signature}:"),
            Refusal::SeveralSignatures,
        ),
        (
            format!("sig1={good}"),
            format!("sig1=:{signature}:, sig2=:{signature}:"),
            Refusal::SeveralSignatures,
        ),
        (format!("sig1={good}"), "sig1=:!!!:".to_owned(), Refusal::Malformed { name: "signature" }),
        (format!("sig1={good}"), signature.to_owned(), Refusal::Malformed { name: "signature" }),
    ] {
        let request = Request::v2().with("signature-input", &input).with("signature", &signature);
        assert_eq!(refused(&request), expected, "{input} {signature}");
    }
}

#[test]
fn any_label_will_do_and_a_second_member_is_refused() {
    let (input, signature) = {
        let request = Request::v2();
        let value = |name: &str| {
            let (_, value) = request.headers.iter().find(|(known, _)| known == name).unwrap();
            String::from_utf8(value.clone()).unwrap()
        };
        (value("Signature-Input"), value("Signature"))
    };
    let relabelled = Request::v2()
        .with("signature-input", input.replacen("sig1", "genesys", 1))
        .with("signature", signature.replacen("sig1", "genesys", 1));
    assert!(relabelled.answer(&ring()).is_ok());
    let second = Request::v2().with("signature-input", format!("proxy=(\"host\"), {input}"));
    assert_eq!(refused(&second), Refusal::SeveralSignatures);
}

#[test]
fn c23_both_live_secrets_let_in_and_no_third() {
    let organization = "0f0e0d0c-0b0a-4908-8706-050403020100";
    let id = "demo-key-0001/ABC+def=";
    let answer = |secrets: &[&str]| {
        Request::v2().answer(&KeyRing::new(vec![key(id, secrets, organization)]).unwrap())
    };
    assert!(answer(&[V1_SECRET, V2_SECRET]).is_ok());
    assert!(answer(&[V2_SECRET, V1_SECRET]).is_ok());
    assert_eq!(answer(&[V1_SECRET]), Err(Refusal::SignatureMismatch));
}

#[test]
fn c25_an_organization_that_the_key_is_not_bound_to_is_refused() {
    let foreign = "d7934305-0972-4844-938e-9060eef73d05";
    let signed = Request::v2()
        .with("audiohook-organization-id", foreign)
        .resigned(&format!("{COMPONENTS}{V2_PARAMETERS}"), V2_SECRET);
    assert_eq!(refused(&signed), Refusal::OrganizationNotBound);
    let open = Request::unsigned()
        .with("x-api-key", "open-key")
        .with("audiohook-organization-id", foreign);
    assert_eq!(refused(&open), Refusal::OrganizationNotBound);
}

#[test]
fn c26_there_is_one_answer_and_one_delay_and_no_debug_output_shows_the_key() {
    assert_eq!(REFUSAL_BODY, "unauthorized\n");
    assert_eq!(REFUSAL_DELAY.as_millis(), 500);
    let printed = format!("{:?}", Request::v2().parse().unwrap());
    assert!(!printed.contains("demo-key"), "{printed}");
}

#[test]
fn a_second_header_of_the_same_name_is_refused() {
    for name in [
        "x-api-key",
        "signature",
        "signature-input",
        "audiohook-organization-id",
        "audiohook-session-id",
        "audiohook-correlation-id",
    ] {
        let request = Request::v2();
        let (_, value) = request
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .unwrap()
            .clone();
        let twice = request.adding(&name.to_uppercase(), value);
        assert_eq!(refused(&twice), Refusal::DuplicateHeader { name });
    }
    let other = Request::v2().adding("Audiohook-New", "1").adding("audiohook-new", "1");
    assert_eq!(refused(&other), Refusal::DuplicateHeader { name: "audiohook-*" });
}

#[test]
fn a_huge_header_is_refused() {
    for (name, size) in [
        ("signature-input", 8_193),
        ("signature", 2_049),
        ("x-api-key", 257),
        ("audiohook-session-id", 257),
        ("signature-input", 10_000_000),
    ] {
        let request = Request::v2().with(name, vec![b'a'; size]);
        assert_eq!(refused(&request), Refusal::TooLarge { name });
    }
    let mut long = Request::v2();
    long.target = format!("/{}", "a".repeat(8_192));
    assert_eq!(refused(&long), Refusal::TooLarge { name: "request target" });
    let covered = format!("{COMPONENTS}{V2_PARAMETERS}").replacen(')', " \"x-big\")", 1);
    let request = Request::v2().adding("x-big", vec![b'a'; 8_193]).resigned(&covered, V2_SECRET);
    assert_eq!(refused(&request), Refusal::TooLarge { name: "covered header" });
}

#[test]
fn too_many_headers_are_refused() {
    let mut request = Request::v2();
    for number in request.headers.len()..HEADERS_MAX {
        request = request.adding(&format!("x-{number}"), "");
    }
    assert!(request.answer(&ring()).is_ok());
    assert_eq!(refused(&request.adding("x-last", "")), Refusal::TooManyHeaders);
}

#[test]
fn ids_must_be_uuids_signed_or_not() {
    for name in ["audiohook-organization-id", "audiohook-session-id"] {
        for request in [Request::v2(), Request::unsigned().with("x-api-key", "open-key")] {
            let malformed = request.clone().with(name, "not-a-uuid");
            assert_eq!(refused(&malformed), Refusal::Malformed { name });
        }
        let missing = Request::unsigned().with("x-api-key", "open-key").without(name);
        assert_eq!(refused(&missing), Refusal::MissingHeader { name });
    }
}

#[test]
fn a_target_or_authority_that_could_forge_a_line_is_refused() {
    for target in ["", "hooks", "/a b", "/a\n\"x\": y", "/\u{7f}"] {
        let mut request = Request::v2();
        request.target = target.to_owned();
        assert_eq!(refused(&request), Refusal::Malformed { name: "request target" });
    }
    for authority in ["", " ", "a b", "a\nb"] {
        let mut request = Request::v2();
        request.authority = authority.to_owned();
        assert_eq!(refused(&request), Refusal::Malformed { name: "authority" });
    }
}

#[test]
fn the_retry_attempt_is_read_and_never_decides() {
    let attempt = |value: &str| {
        let request = Request::v2().with("audiohook-retry-attempt", value);
        request.answer(&ring()).unwrap().retry_attempt
    };
    assert_eq!(attempt("3"), Some(3));
    assert_eq!(attempt("many"), None);
    assert_eq!(Request::v2().answer(&ring()).unwrap().retry_attempt, None);
}

const NAMES: [&str; 10] = [
    "x-api-key",
    "Signature",
    "signature-input",
    "Audiohook-Organization-Id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "audiohook-retry-attempt",
    "audiohook-x",
    "host",
    "",
];

fn any_field() -> impl Strategy<Value = (usize, Vec<u8>)> {
    (0..NAMES.len(), prop::collection::vec(any::<u8>(), 0..200))
}

proptest! {
    #[test]
    fn arbitrary_headers_never_panic_and_never_let_in(
        target in ".{0,40}",
        authority in ".{0,20}",
        now in any::<i64>(),
        fields in prop::collection::vec(any_field(), 0..20),
    ) {
        let headers =
            fields.into_iter().map(|(name, value)| (NAMES[name].to_owned(), value)).collect();
        let request = Request { target, authority, headers, now_micros: now };
        prop_assert!(request.answer(&ring()).is_err());
    }

    #[test]
    fn a_spoiled_header_of_a_good_request_never_panics(
        field in 0..6_usize,
        place in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut request = Request::v2();
        let value = &mut request.headers[field].1;
        let at = place.index(value.len());
        value.splice(at..=at, bytes);
        let original = Request::v2().base();
        if let Ok(credentials) = request.parse()
            && request.answer(&ring()).is_ok()
        {
            // Spelled differently, meaning the same: what was verified is what was signed.
            prop_assert_eq!(credentials.proof.expect("signed").base, original);
        }
    }

    #[test]
    fn arbitrary_signature_input_never_panics(
        input in "sig1=\\([\"@a-z; ]{0,60}\\)(;[a-z]{1,8}=[0-9\"a-z.:-]{0,24}){0,6}",
        now in any::<i64>(),
    ) {
        let mut request = Request::v2().with("signature-input", input);
        request.now_micros = now;
        prop_assert!(request.answer(&ring()).is_err());
    }
}
