//! Reads the stream: dedupes, reorders, attributes; the recorder stands on top.
