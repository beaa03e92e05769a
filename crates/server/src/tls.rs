//! TLS: a certificate and its key, by rustls.

use crate::error::Error;
use crate::options::Options;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ALL_VERSIONS, ServerConfig};

/// What takes connections, where the options name a certificate.
///
/// # Errors
/// A file that cannot be read, holds nothing of its kind, or does not belong to the other.
pub(crate) fn acceptor(options: &Options) -> Result<Option<TlsAcceptor>, Error> {
    let (Some(cert), Some(key)) = (&options.tls_cert, &options.tls_key) else { return Ok(None) };
    let wrong = |path: &Path, what: String| Error::Tls { path: path.display().to_string(), what };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(cert, format!("{error}; certificates in PEM would be right")))?;
    if chain.is_empty() {
        return Err(wrong(cert, "it holds no certificate; PEM would be right".into()));
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| wrong(key, format!("{error}; a key in PEM would be right")))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(ALL_VERSIONS)
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret));
    let mut config = config.map_err(|error| wrong(cert, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}
