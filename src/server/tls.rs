//! TLS: certificates from files, or one of the server's own making for this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::private_file;

/// The files of a certificate chain and its private key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// A certificate for localhost, 127.0.0.1 and `::1`, signed by itself, in files in `folder`; made
    /// if it is not there yet, so that clients can go on trusting the same one.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn self_signed_in(folder: &Path) -> Result<Self> {
        let files =
            Self { certificate: folder.join("tls-self-signed.pem"), key: folder.join("tls-self-signed.key") };
        if files.certificate.exists() && files.key.exists() {
            return Ok(files);
        }
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).context("a certificate cannot be made")?;
        private_file::write(&files.key, &made.signing_key.serialize_pem())?;
        let certificate = &files.certificate;
        fs::write(certificate, made.cert.pem())
            .with_context(|| format!("{} cannot be written", certificate.display()))?;
        Ok(files)
    }

    /// The chain, the server's own certificate first.
    ///
    /// # Errors
    /// A file that cannot be read or holds no certificate.
    pub fn chain(&self) -> Result<Vec<CertificateDer<'static>>> {
        let shown = self.certificate.display();
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .with_context(|| format!("the certificate {shown} cannot be read"))?;
        ensure!(!chain.is_empty(), "there is no certificate in {shown}");
        Ok(chain)
    }

    /// The TLS side of a server with this certificate, for HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// Files that cannot be read, or do not belong together.
    pub fn acceptor(&self) -> Result<TlsAcceptor> {
        let Self { certificate, key } = self;
        let chain = self.chain()?;
        let private = PrivateKeyDer::from_pem_file(key)
            .with_context(|| format!("the key {} cannot be read", key.display()))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .with_context(|| {
                format!("{} and {} do not belong together", certificate.display(), key.display())
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
