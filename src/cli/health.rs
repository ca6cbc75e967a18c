//! `bonafide health`: whether the server that runs can serve, for what looks after containers. An image
//! with nothing but the program has no other client.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use url::Url;

use super::tls::TlsOptions;
use super::{addresses, print, serve};
use crate::store::postgres::to_anybody;

/// How long the server may take. What looks after containers waits for 30 seconds, unless it was told
/// something else.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of the answer is read: its first line is all that counts.
const LINE: u64 = 64;

#[derive(Args)]
pub(super) struct Options {
    /// Where to ask, like `https://users.example.com`; the address that a server with the same settings listens
    /// on if not given
    #[arg(long, value_name = "URL", env = "BONAFIDE_HEALTH_URL")]
    url: Option<Url>,
    /// The address that the server listens on
    #[arg(long, value_name = "ADDR", env = "BONAFIDE_LISTEN", default_value = serve::LISTEN)]
    listen: String,
    #[command(flatten)]
    tls: TlsOptions,
}

impl Options {
    /// The URL of the server, without a path.
    fn url(&self) -> Result<Url> {
        if let Some(url) = &self.url {
            addresses::check_public(url)?;
            return Ok(url.clone());
        }
        addresses::check(&self.listen)?;
        let is_encrypted = self.tls.is_self_signed() || self.tls.named()?.is_some();
        let scheme = if is_encrypted { "https" } else { "http" };
        let mut url: Url = format!("{scheme}://{}", self.listen).parse()?;
        ensure!(
            url.port() != Some(0),
            "a server that listens on port 0 has a port of its own choice: say where to ask by --url"
        );
        // Who listens on every address of the machine is asked on its own.
        match url.host() {
            Some(url::Host::Ipv4(address)) if address.is_unspecified() => url.set_host(Some("127.0.0.1"))?,
            Some(url::Host::Ipv6(address)) if address.is_unspecified() => url.set_host(Some("[::1]"))?,
            _ => {}
        }
        Ok(url)
    }
}

pub(super) async fn run(options: &Options) -> Result<()> {
    let url = options.url().context("it cannot be known where the server is")?;
    let shown = addresses::shown(&url).unwrap_or_default();
    let asked = tokio::time::timeout(PATIENCE, ask(&url));
    let line = asked
        .await
        .with_context(|| format!("the server at {shown} does not answer within {PATIENCE:?}"))?
        .with_context(|| format!("the server at {shown} cannot be asked"))?;
    match line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)) {
        Some("200") => print(&format!("the server at {shown} is ready\n")),
        Some("503") => bail!("the server at {shown} is not ready: its store does not answer, see its log"),
        Some(status) => bail!("the server at {shown} answers {status}, as none of ours does"),
        None => bail!("what answers at {shown} is no server of HTTP/1.1"),
    }
}

/// Asks whether the server is ready, and gives the beginning of its answer.
async fn ask(url: &Url) -> Result<String> {
    let host = url.host_str().context("there is no host")?;
    let port = url.port_or_known_default().context("there is no port")?;
    let bare = host.trim_matches(['[', ']']);
    let stream = TcpStream::connect((bare, port)).await?;
    let request = format!(
        "GET {}/readyz HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n",
        url.path().trim_end_matches('/')
    );
    if url.scheme() != "https" {
        return exchange(stream, &request).await;
    }
    // Nothing that is secret is said or heard, and the certificate has the name of a public URL.
    let name = ServerName::try_from(bare.to_owned())?;
    let stream = to_anybody()?.connect(name, stream).await?;
    exchange(stream, &request).await
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LINE).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    fn url(words: &[&str]) -> Result<String> {
        let command = Options::augment_args(clap::Command::new("health"))
            .mut_args(|option| option.env(clap::builder::Resettable::Reset));
        let words = [&["health"], words].concat();
        let options = Options::from_arg_matches(&command.try_get_matches_from(words).unwrap()).unwrap();
        options.url().map(|url| url.to_string())
    }

    #[test]
    fn the_server_is_asked_where_it_listens() {
        for (words, expected) in [
            (&[][..], "http://127.0.0.1:8080/"),
            (&["--listen", "0.0.0.0:80"], "http://127.0.0.1/"),
            (&["--listen", "[::]:8443", "--tls-self-signed"], "https://[::1]:8443/"),
            (&["--listen", "localhost:1", "--tls-cert", "c", "--tls-key", "k"], "https://localhost:1/"),
            (&["--listen", "x:1", "--url", "https://users.example.com/a"], "https://users.example.com/a"),
        ] {
            assert_eq!(url(words).unwrap(), expected);
        }
        for words in [["--listen", "127.0.0.1:0"], ["--listen", "8080"], ["--url", "ftp://x"]] {
            assert!(url(&words).is_err(), "{words:?}");
        }
    }
}
