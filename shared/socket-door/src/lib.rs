//! The long-lived AudioHook door: HTTP, WebSocket, limits, deadlines.
