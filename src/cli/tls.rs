//! The options about TLS.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::FalseyValueParser;

use super::store::StoreOption;
use crate::server::tls::CertificateFiles;

/// Whether the server speaks TLS, and with which certificate.
#[derive(Args)]
#[expect(clippy::struct_field_names, reason = "they are the names of the options")]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsOptions {
    /// The certificate chain for TLS, as PEM, the server's own certificate first; needs --tls-key
    #[arg(long, value_name = "FILE", env = "BONAFIDE_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The private key for TLS, as PEM; needs --tls-cert
    #[arg(long, value_name = "FILE", env = "BONAFIDE_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// TLS with a certificate for localhost that the server makes and keeps beside the store
    #[arg(long, env = "BONAFIDE_TLS_SELF_SIGNED", value_parser = FalseyValueParser::new())]
    tls_self_signed: bool,
}

impl TlsOptions {
    /// Whether the server makes the certificate.
    pub(super) fn is_self_signed(&self) -> bool {
        self.tls_self_signed
    }

    /// The file of the private key, if one is named.
    pub(super) fn key(&self) -> Option<&Path> {
        self.tls_key.as_deref()
    }

    /// The files that are named, if any.
    ///
    /// # Errors
    /// Half a pair, or both ways to have a certificate. Not left to clap, which would not count what
    /// the file of settings says.
    pub(super) fn named(&self) -> Result<Option<CertificateFiles>> {
        match (&self.tls_cert, &self.tls_key) {
            (None, None) => Ok(None),
            _ if self.tls_self_signed => bail!("--tls-self-signed and --tls-cert exclude each other"),
            (Some(certificate), Some(key)) => {
                Ok(Some(CertificateFiles { certificate: certificate.clone(), key: key.clone() }))
            }
            (Some(_), None) => bail!("--tls-cert needs --tls-key, the file of the certificate's private key"),
            (None, Some(_)) => bail!("--tls-key needs --tls-cert, the file of the key's certificate"),
        }
    }

    /// The files to use, if there is to be TLS; made beside the store if they are to be the server's own.
    pub(super) fn certificate(&self, store: &StoreOption) -> Result<Option<CertificateFiles>> {
        match self.named()? {
            None if self.tls_self_signed => CertificateFiles::self_signed_in(&store.folder()?).map(Some),
            named => Ok(named),
        }
    }
}
