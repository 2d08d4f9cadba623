//! The traits behind which every store, stream, secret and clock stands.
