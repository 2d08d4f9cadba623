//! One TLS provider for all that does not bring its own.
//!
//! The SDK compiles in aws-lc beside our ring, and with two of them rustls picks none by itself.

/// Makes ring the process's TLS provider, if none is installed.
pub fn choose_tls() {
    // An error means that somebody else was first.
    drop(rustls::crypto::ring::default_provider().install_default());
}
