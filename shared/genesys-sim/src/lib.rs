//! A simulated Genesys Cloud: login, platform API, notification sockets, AudioHook client, scripted calls.
