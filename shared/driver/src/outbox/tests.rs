//! The queue of one session.
