//! Who may come in: credentials, keys, signatures, replays; the same at every door.
