//! SQLite and in-memory twins of every port.
