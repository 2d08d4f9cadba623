//! What every function does before it handles its first event: settings, logs, metrics, clients.
