//! An authority of our own, and the local AWS's certificate from it: so TLS is spoken to every
//! dependency, and checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::Connector;

use crate::error::LocalError;

/// What the local AWS is called.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// Files of one authority and one certificate.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    /// The authority's certificate, which clients are to trust.
    pub(crate) authority: PathBuf,
    /// The certificate of the local AWS.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// Makes new ones in a folder; the authority's key is kept nowhere.
    ///
    /// Errors: [`LocalError`] if they cannot be made or written.
    pub(crate) fn make(folder: &Path) -> Result<Self, LocalError> {
        let written = Written::new().map_err(LocalError::Certificate)?;
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            match std::fs::write(&path, text) {
                Ok(()) => Ok(path),
                Err(source) => Err(LocalError::File { path, source }),
            }
        };
        Ok(Self {
            authority: file("authority.pem", &written.authority)?,
            certificate: file("aws.pem", &written.certificate)?,
            key: file("aws.key", &written.key)?,
        })
    }
}

/// Whose certificates a client takes; cheap to copy.
#[derive(Debug, Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
}

impl Trust {
    /// Trusts one authority.
    ///
    /// Errors: [`LocalError::Trust`] if its certificate cannot be read.
    pub fn of(authority: &Path) -> Result<Self, LocalError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| LocalError::Trust {
            path: authority.to_owned(),
            source,
        };
        let certificate =
            CertificateDer::from_pem_file(authority).map_err(|e| failed(Box::new(e)))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).map_err(|e| failed(Box::new(e)))?;
        Ok(Self::with(roots))
    }

    /// Trusts nobody: for plain connections.
    pub fn nobody() -> Self {
        Self::with(RootCertStore::empty())
    }

    fn with(roots: RootCertStore) -> Self {
        // Fails only if somebody installed a provider before, which then serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { config: Arc::new(config) }
    }

    /// Returns an HTTP client.
    ///
    /// Errors: what `reqwest` has against it.
    pub fn http(&self, limit: Duration) -> Result<reqwest::Client, reqwest::Error> {
        let tls = (*self.config).clone();
        reqwest::Client::builder().tls_backend_preconfigured(tls).timeout(limit).no_proxy().build()
    }

    /// Returns what makes WebSockets.
    pub(crate) fn connector(&self) -> Connector {
        Connector::Rustls(Arc::clone(&self.config))
    }
}

struct Written {
    authority: String,
    certificate: String,
    key: String,
}

impl Written {
    fn new() -> Result<Self, rcgen::Error> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name.push(DnType::CommonName, "Sidetone local AWS authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_key = KeyPair::generate()?;
        let authority_certificate = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);

        let mut server = CertificateParams::new(NAMES.map(str::to_owned).to_vec())?;
        server.distinguished_name.push(DnType::CommonName, "Sidetone local AWS");
        server.use_authority_key_identifier_extension = true;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &issuer)?;
        Ok(Self {
            authority: authority_certificate.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}
