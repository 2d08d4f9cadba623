//! The event by which S3 says, through EventBridge, that an object was put.
//!
//! Source: "EventBridge event message structure" in the S3 user guide. Unlike in S3's own
//! notifications, keys are not URL-encoded there.

use serde::Deserialize;

/// What of the event is used.
#[derive(Debug, Deserialize)]
pub(crate) struct ObjectCreated {
    /// What was put, and where.
    pub(crate) detail: Detail,
}

/// What was put, and where.
#[derive(Debug, Deserialize)]
pub(crate) struct Detail {
    /// Where.
    pub(crate) bucket: BucketName,
    /// What.
    pub(crate) object: Object,
}

/// The bucket.
#[derive(Debug, Deserialize)]
pub(crate) struct BucketName {
    /// Its name.
    pub(crate) name: String,
}

/// The object as it was put.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Object {
    /// Its key, as it is.
    pub(crate) key: String,
    /// Units: bytes.
    pub(crate) size: u64,
    /// What is in it, as one word.
    pub(crate) etag: String,
    /// Grows with every object that is put under the key.
    ///
    /// **Shape** hexadecimal digits; a shorter one is as if zeros followed it.
    pub(crate) sequencer: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_as_event_bridge_sends_it() {
        let text = include_str!("../events/object_created.json");
        let ObjectCreated { detail } = serde_json::from_str(text).unwrap();
        assert_eq!(detail.bucket.name, "sidetone-usersbucket-1a2b3c4d5e6f");
        assert_eq!(
            detail.object.key,
            "import/0f0e0d0c-0b0a-4908-8706-050403020100/from HR/users & teams+1.csv"
        );
        assert_eq!(detail.object.size, 164);
        assert_eq!(detail.object.sequencer, "0067F1A2B3C4D5E6F7");
    }

    #[test]
    fn of_a_bucket_that_keeps_versions_it_is_read_too() {
        let text = include_str!("../events/object_copied.json");
        let ObjectCreated { detail } = serde_json::from_str(text).unwrap();
        assert_eq!(detail.object.etag, "4af981f98d22a0b9979da24b259e5e42-12");
    }

    #[test]
    fn what_is_no_such_event_is_not_read() {
        for text in ["{}", r#"{"detail":{}}"#, r#"{"Records":[]}"#] {
            assert!(serde_json::from_str::<ObjectCreated>(text).is_err(), "{text}");
        }
    }
}
