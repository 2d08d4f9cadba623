//! `Signature-Input` and `Signature`, read strictly: whatever a client would not write is
//! refused, and what is verified is our own spelling of what was understood.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::{BareItem, Dictionary, FieldType, InnerList, List, ListEntry, Parser, Version};
use sidetone_model::Timestamp;

use super::refusal::{CoveredName, Refusal};

/// Components of one signature; Genesys covers six.
pub const COMPONENTS_MAX: usize = 16;

/// Characters of the shortest nonce: 128 random bits in base64.
pub const NONCE_CHARS_MIN: usize = 22;

/// Characters of the longest nonce; Genesys sends 24.
pub const NONCE_CHARS_MAX: usize = 256;

const INPUT: &str = "signature-input";

/// One signature's input: what it covers and under which parameters.
pub(super) struct SignatureInput {
    /// Component names in order; each once, all lower case.
    pub(super) components: Vec<String>,
    /// The member's inner list in our own spelling.
    pub(super) member: String,
    /// Whose key signed.
    pub(super) key_id: String,
    /// What makes it unique.
    pub(super) nonce: String,
    /// When it was made.
    pub(super) created: Timestamp,
    /// When it ends.
    pub(super) expires: Timestamp,
    /// Whether it says `hmac-sha256`.
    pub(super) algorithm_known: bool,
}

/// Reads both headers and returns the input and the bytes of the signature they share.
///
/// Errors: every departure from section 2.3 of the source, check 3 and 6.
pub(super) fn read(input: &str, signature: &str) -> Result<(SignatureInput, Vec<u8>), Refusal> {
    let inputs = dictionary(input, INPUT)?;
    let signatures = dictionary(signature, "signature")?;
    let (entry, bytes) = inputs
        .iter()
        .find_map(|(label, entry)| signatures.get(label).map(|bytes| (entry, bytes)))
        .ok_or(Refusal::LabelMissing)?;
    if inputs.len() > 1 || signatures.len() > 1 {
        return Err(Refusal::SeveralSignatures);
    }
    let ListEntry::InnerList(list) = entry else { return Err(Refusal::ComponentsType) };
    let ListEntry::Item(item) = bytes else { return Err(Refusal::SignatureType) };
    let (BareItem::ByteSequence(bytes), true) = (&item.bare_item, item.params.is_empty()) else {
        return Err(Refusal::SignatureType);
    };
    // The parser forgives padding that is missing and bits behind the last byte, so that one
    // signature would have several texts.
    if !signature.contains(&format!(":{}:", STANDARD.encode(bytes))) {
        return Err(Refusal::Malformed { name: "signature" });
    }
    Ok((signature_input(list)?, bytes.clone()))
}

fn dictionary(text: &str, name: &'static str) -> Result<Dictionary, Refusal> {
    Parser::new(text)
        .with_version(Version::Rfc8941)
        .parse()
        .map_err(|_: sfv::Error| Refusal::Malformed { name })
}

fn signature_input(list: &InnerList) -> Result<SignatureInput, Refusal> {
    let components = components(list)?;
    for name in list.params.keys() {
        if !["keyid", "nonce", "alg", "created", "expires"].contains(&name.as_str()) {
            return Err(Refusal::UnknownParameter);
        }
    }
    let algorithm_known = match list.params.get("alg") {
        Some(BareItem::String(name)) => name.as_str() == "hmac-sha256",
        Some(_) => return Err(Refusal::ParameterType { name: "alg" }),
        None => false,
    };
    let nonce = string(list, "nonce")?;
    match nonce.len() {
        0..NONCE_CHARS_MIN => return Err(Refusal::NonceTooShort),
        NONCE_CHARS_MIN..=NONCE_CHARS_MAX => {}
        _ => return Err(Refusal::TooLarge { name: "nonce" }),
    }
    Ok(SignatureInput {
        components,
        member: spell(list)?,
        key_id: string(list, "keyid")?,
        nonce,
        created: moment(list, "created")?,
        expires: moment(list, "expires")?,
        algorithm_known,
    })
}

/// Writes an inner list as the last line of a signature base shows it.
pub(super) fn spell(list: &InnerList) -> Result<String, Refusal> {
    let one: List = vec![ListEntry::InnerList(list.clone())];
    one.serialize().ok_or(Refusal::Malformed { name: INPUT })
}

fn components(list: &InnerList) -> Result<Vec<String>, Refusal> {
    if list.items.len() > COMPONENTS_MAX {
        return Err(Refusal::TooManyComponents);
    }
    let mut seen = BTreeSet::new();
    let mut names = Vec::with_capacity(list.items.len());
    for item in &list.items {
        let (BareItem::String(name), true) = (&item.bare_item, item.params.is_empty()) else {
            return Err(Refusal::ComponentsType);
        };
        let name = name.as_str();
        if !seen.insert(name) {
            return Err(Refusal::DuplicateComponent);
        }
        let derived = name.starts_with('@');
        let supported = ["@request-target", "@authority"].contains(&name);
        let spelled = !name.is_empty() && !name.bytes().any(|byte| byte.is_ascii_uppercase());
        if (derived && !supported) || !spelled || name == "signature" {
            return Err(Refusal::UnknownComponent);
        }
        names.push(name.to_owned());
    }
    match CoveredName::ALL.into_iter().find(|component| !seen.contains(component.as_str())) {
        Some(component) => Err(Refusal::Uncovered { component }),
        None => Ok(names),
    }
}

fn string(list: &InnerList, name: &'static str) -> Result<String, Refusal> {
    match list.params.get(name) {
        Some(BareItem::String(text)) => Ok(text.as_str().to_owned()),
        Some(_) => Err(Refusal::ParameterType { name }),
        None => Err(Refusal::MissingParameter { name }),
    }
}

fn moment(list: &InnerList, name: &'static str) -> Result<Timestamp, Refusal> {
    let seconds = match list.params.get(name) {
        Some(BareItem::Integer(seconds)) => i64::from(*seconds),
        Some(_) => return Err(Refusal::ParameterType { name }),
        None => return Err(Refusal::MissingParameter { name }),
    };
    if seconds < 0 {
        return Err(Refusal::ParameterType { name });
    }
    // Fifteen digits of seconds do not fit in microseconds; the end of time is as far.
    Ok(Timestamp::from_micros(seconds.saturating_mul(1_000_000)))
}
