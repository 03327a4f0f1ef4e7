//! TLS to a server: rustls on ring, certificates always verified.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Error;

const NO_CERTIFICATE: Error =
    Error::BadUrl { reason: "sslrootcert names no readable file of certificates (PEM)" };

/// Trusts the public certificate authorities, or those in a file instead.
pub(super) fn connector(roots: Option<&Path>) -> Result<MakeRustlsConnect, Error> {
    let store = match roots {
        Some(path) => from_file(path).ok_or(NO_CERTIFICATE)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::BadUrl { reason: "this program was built without TLS" })?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn from_file(path: &Path) -> Option<RootCertStore> {
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).ok()?.collect::<Result<_, _>>().ok()?;
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates);
    (added > 0).then_some(store)
}
