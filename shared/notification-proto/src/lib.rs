//! The Genesys Notification Service without sockets or clocks: wire, channel, call events.
