//! The course of calls, checked snapshot by snapshot.
