//! The `sidetone` command.
