//! The producer against sinks that fail.
