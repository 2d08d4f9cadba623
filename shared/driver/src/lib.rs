//! Carries the engine for a long-lived door: join, mailbox, producer, sweep.
