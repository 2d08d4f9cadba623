//! Whole sessions through the engine.
