//! One TLS provider for all that does not bring its own.
//!
//! `reqwest` wants one that is installed.

/// Makes ring the process's TLS provider, if none is installed.
pub fn choose_tls() {
    // An error means that somebody else was first.
    drop(rustls::crypto::ring::default_provider().install_default());
}
