//! What happens, for whoever waits: one line each on standard error.

use std::io::Write;
use std::time::Instant;

use sidetone_ports::chain;

use crate::error::LocalError;

/// Tells what happens.
#[derive(Debug)]
pub struct Progress {
    begun: Instant,
}

impl Progress {
    /// Starts the watch.
    pub fn begin() -> Self {
        Self { begun: Instant::now() }
    }

    /// Tells one thing.
    pub fn say(&self, what: &str) {
        let seconds = self.begun.elapsed().as_secs();
        // Whoever does not listen misses nothing else.
        let _ = writeln!(std::io::stderr(), "{:>3}:{:02}  {what}", seconds / 60, seconds % 60);
    }

    /// Tells what went wrong, and what the program said last that did.
    pub fn complain(&self, error: &LocalError) {
        let mut text = format!("error: {}", chain(error));
        for line in error.last_words() {
            text.push_str("\n       ");
            text.push_str(&line);
        }
        self.say(&text);
    }
}
