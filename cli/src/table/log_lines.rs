//! Log lines on their way to the screen, which alone knows where they can be printed without
//! tearing the table.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// How much may wait for the screen; more is counted and dropped.
const WAITING_BYTES_MAX: usize = 256 * 1024;

/// Takes what the log writes; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LogLines(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    text: Vec<u8>,
    dropped: usize,
}

impl LogLines {
    /// Returns the whole lines that wait, and forgets them.
    pub(super) fn take(&self) -> Vec<String> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(end) = waiting.text.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let text: Vec<u8> = waiting.text.drain(..=end).collect();
        let dropped = std::mem::take(&mut waiting.dropped);
        drop(waiting);
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
        if dropped > 0 {
            lines.push(format!("({dropped} more bytes of log were too much for the screen)"));
        }
        lines
    }
}

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.text.len() + bytes.len() > WAITING_BYTES_MAX {
            waiting.dropped += bytes.len();
        } else {
            waiting.text.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_whole_lines_once() {
        let mut lines = LogLines::default();
        lines.write_all(b"one\ntwo\nth").unwrap();
        assert_eq!(lines.take(), ["one", "two"]);
        assert!(lines.take().is_empty());
        lines.write_all(b"ree\n").unwrap();
        assert_eq!(lines.take(), ["three"]);
    }

    #[test]
    fn what_nobody_takes_is_bounded_and_counted() {
        let mut lines = LogLines::default();
        for _ in 0..WAITING_BYTES_MAX {
            lines.write_all(b"x\n").unwrap();
        }
        let taken = lines.take();
        assert_eq!(taken.len(), WAITING_BYTES_MAX / 2 + 1);
        assert!(taken[taken.len() - 1].contains("262144 more bytes"));
    }
}
