//! Servers on loopback that should speak TLS, with certificates that nobody trusts: `own.pem` of 2000 to 2125, `expired.pem`
//! of the year 2000, `early.pem` of 2126; their key is that of the server's tests.

#![allow(clippy::unwrap_used)] // a test's server: what fails here fails the test

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

/// Serves each connection; where.
fn serve(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().flatten().for_each(&answer));
    format!("https://localhost:{port}")
}

/// Shakes hands with a certificate, and says no more.
pub(crate) fn with(certificate: &str) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let certificate = CertificateDer::from_pem_file(tests.join("tests/tls").join(certificate)).unwrap();
    let key = PrivateKeyDer::from_pem_file(tests.join("../server/src/tests/key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    serve(move |mut stream| {
        let mut connection = ServerConnection::new(config.clone()).unwrap();
        while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
    })
}

/// Answers with these bytes, whatever is said.
pub(crate) fn saying(bytes: &'static [u8]) -> String {
    serve(move |mut stream| {
        let _ = stream.write_all(bytes);
        // Closed at once with unread bytes, the connection would be reset before the answer is read.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    })
}
