//! The AudioHook protocol without sockets or clocks: wire, frames, signatures, both session machines.
