//! Media as the wire lists it: `{"type":"audio","format":"PCMU","channels":[…],"rate":8000}`.
//!
//! Offers are read leniently, because Genesys may add formats; a selection is read strictly,
//! because the production client refuses entries with unknown fields.
//! Source: docs/wire/audiohook.md, "Media offers".

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use sidetone_model::{Format, Media, MediaChannels, SAMPLE_RATE};

#[derive(Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "audio")]
    Audio,
}

#[derive(Serialize, Deserialize)]
struct OfferEntry {
    #[serde(rename = "type")]
    kind: Kind,
    format: Format,
    channels: MediaChannels,
    rate: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SelectedEntry {
    #[serde(rename = "type")]
    kind: Kind,
    format: Format,
    channels: MediaChannels,
    rate: u32,
}

fn media(_: Kind, format: Format, channels: MediaChannels, rate: u32) -> Option<Media> {
    (rate == SAMPLE_RATE).then_some(Media { format, channels })
}

/// Writes entries with exactly the documented fields.
pub(super) fn serialize<S: Serializer>(list: &[Media], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(list.iter().map(|media| OfferEntry {
        kind: Kind::Audio,
        format: media.format,
        channels: media.channels,
        rate: SAMPLE_RATE,
    }))
}

/// Reads the entries of `open`; what is not understood is skipped.
pub(super) mod offers {
    use super::*;

    pub(in crate::wire) use super::serialize;

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Media>, D::Error> {
        let entries = Vec::<&RawValue>::deserialize(deserializer)?;
        let known = entries.into_iter().filter_map(|entry| {
            let OfferEntry { kind, format, channels, rate } =
                serde_json::from_str(entry.get()).ok()?;
            media(kind, format, channels, rate)
        });
        Ok(known.collect())
    }
}

/// Reads the entries of `opened`; what is not understood is an error.
pub(super) mod selection {
    use super::*;

    pub(in crate::wire) use super::serialize;

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Media>, D::Error> {
        let entries = Vec::<SelectedEntry>::deserialize(deserializer)?;
        let known = entries.into_iter().map(|entry| {
            let SelectedEntry { kind, format, channels, rate } = entry;
            media(kind, format, channels, rate).ok_or_else(|| de::Error::custom("unknown rate"))
        });
        known.collect()
    }
}
