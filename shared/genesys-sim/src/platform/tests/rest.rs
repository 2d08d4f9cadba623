//! Login, users, channels and subscriptions by REST, and every limit on them.
