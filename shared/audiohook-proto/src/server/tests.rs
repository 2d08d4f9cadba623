//! The server session against transcripts.
