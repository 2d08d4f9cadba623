//! The Genesys platform client, the notification channel and whoever holds it.
