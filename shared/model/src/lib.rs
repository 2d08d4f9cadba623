//! The nouns every other crate speaks: ids, times, positions, media, legs, users.
