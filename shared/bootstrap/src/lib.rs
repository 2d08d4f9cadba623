//! From files and environment to a checked configuration; tracing set-up.
