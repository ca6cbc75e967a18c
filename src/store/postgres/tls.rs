//! TLS to the server, by the library that the program's own server uses.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};

/// How connections are encrypted, and whom they trust.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts servers whose certificate bears their name and leads to one in this file.
    pub(super) fn trusting(roots: &Path) -> anyhow::Result<Self> {
        let shown = roots.display();
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(roots)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("the certificates of sslrootcert, {shown}, cannot be read"))?
        {
            store
                .add(certificate)
                .with_context(|| format!("{shown} has a certificate that cannot be read"))?;
        }
        if store.is_empty() {
            anyhow::bail!("{shown} has no certificates");
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Encrypts, and believes whoever answers, as PostgreSQL's own clients do for `prefer` and
    /// `require`.
    pub(super) fn trusting_anybody() -> anyhow::Result<Self> {
        let provider = Arc::new(default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// Encrypts to whoever answers, for those who say and hear nothing secret.
pub(crate) fn to_anybody() -> anyhow::Result<TlsConnector> {
    Ok(TlsConnector::from(Tls::trusting_anybody()?.0))
}

/// Takes any certificate for good; that its holder has the key is still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Encrypted<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
        Ok(Handshake { connector: TlsConnector::from(self.0.clone()), host: host.to_owned() })
    }
}

/// One handshake to come, with the server of this name.
pub(super) struct Handshake {
    connector: TlsConnector,
    host: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let name = ServerName::try_from(self.host).map_err(io::Error::other)?;
            self.connector.connect(name, stream).await.map(Encrypted)
        })
    }
}

/// A connection to the server, encrypted.
pub(super) struct Encrypted<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    /// Whom one speaks with is known by the certificate.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(ctx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(ctx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(ctx)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::super::connection::{Purpose, Server};
    use super::super::testing::{Database, certificate};

    /// Whether a connection by this URL is encrypted, if there is one.
    async fn is_encrypted(url: &str) -> anyhow::Result<bool> {
        let (client, _driven) = Server::new(&Options::new(url))?.connect(Purpose::Lists).await?;
        let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
        Ok(client.query_one(sql, &[]).await?.try_get(0)?)
    }

    #[tokio::test]
    async fn the_mode_says_whether_there_is_tls_and_whether_the_server_is_looked_at() {
        let database = Database::empty().await;
        let url = database.url.split('?').next().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [right, wrong] = ["right.pem", "wrong.pem"].map(|name| folder.path().join(name));
        std::fs::write(&right, certificate()).unwrap();
        let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(&wrong, other.cert.pem()).unwrap();
        let (right, wrong) = (right.display(), wrong.display());

        assert!(!is_encrypted(&format!("{url}?sslmode=disable")).await.unwrap());
        for parameters in [
            String::new(),
            "?sslmode=prefer".to_owned(),
            "?sslmode=require".to_owned(),
            format!("?sslmode=require&sslrootcert={right}"),
            format!("?sslmode=verify-full&sslrootcert={right}"),
        ] {
            assert!(is_encrypted(&format!("{url}{parameters}")).await.unwrap(), "{parameters}");
        }
        for mode in ["prefer", "require", "verify-full"] {
            let url = format!("{url}?sslmode={mode}&sslrootcert={wrong}");
            assert!(is_encrypted(&url).await.is_err(), "{mode}");
        }
        // The certificate is for the address, and not for this name.
        let by_name = url.replace("127.0.0.1", "localhost");
        assert!(is_encrypted(&format!("{by_name}?sslmode=require")).await.unwrap());
        assert!(is_encrypted(&format!("{by_name}?sslmode=verify-full&sslrootcert={right}")).await.is_err());
    }
}
