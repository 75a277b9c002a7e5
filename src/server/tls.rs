//! TLS on the listener: who we are, whom we believe, and how both are replaced while connections go on.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

/// Why nothing can be served with these certificates. Says nothing of what a key holds.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate's text.
    #[error("the certificate is no PEM file with a certificate in it")]
    Certificate,
    /// The key's text.
    #[error("the key is no PEM file with a private key in it")]
    Key,
    /// The authorities' text.
    #[error("the clients' authorities are no PEM file with certificates in it")]
    Authorities,
    /// What they are good for.
    #[error("certificate and key cannot be used: {0}")]
    Unfit(String),
}

/// PEM texts of what a listener proves itself with and whom it believes.
#[derive(Clone, Copy)]
pub struct TlsPem<'a> {
    /// The certificate and those that lead to its authority.
    pub certificate: &'a [u8],
    /// Its private key.
    pub key: &'a [u8],
    /// Authorities of clients; `None` asks clients for no certificate.
    pub client_ca: Option<&'a [u8]>,
}

/// What a listener proves itself with. A handle: all clones see what is replaced.
#[derive(Clone)]
pub struct Tls {
    live: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    /// Takes what stands in these files.
    pub fn new(pem: TlsPem<'_>) -> Result<Self, TlsError> {
        Ok(Self {
            live: Arc::new(RwLock::new(config(pem)?)),
        })
    }

    /// Takes other files for connections to come, or keeps the old ones and says why.
    pub fn replace(&self, pem: TlsPem<'_>) -> Result<(), TlsError> {
        let new = config(pem)?;
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(live.clone())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

fn config(pem: TlsPem<'_>) -> Result<Arc<ServerConfig>, TlsError> {
    // Fails only where one is installed already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain = certificates(pem.certificate).ok_or(TlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(pem.key).map_err(|_| TlsError::Key)?;
    let builder = ServerConfig::builder();
    let builder = match pem.client_ca {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(authorities).ok_or(TlsError::Authorities)? {
                roots.add(authority).map_err(|_| TlsError::Authorities)?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
            let verifier = verifier.map_err(|error| TlsError::Unfit(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder.with_single_cert(chain, key);
    let mut config = config.map_err(|error| TlsError::Unfit(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// All certificates of a PEM text; `None` where there is none or one cannot be read.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|all| !all.is_empty())
}
