//! `bonafide serve`.

use std::convert::Infallible;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::http::HeaderName;
use clap::Args;
use clap::builder::FalseyValueParser;
use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::logging::Directives;
use super::mail::{MailOptions, TemplatesOption};
use super::secret::SecretOption;
use super::store::StoreOption;
use super::tls::TlsOptions;
use super::{addresses, dev, print};
use crate::app::App;
use crate::app::outbox::Outbox;
use crate::id::SystemRandom;
use crate::mail::MailUrl;
use crate::pages::{PAGES_PER_MINUTE, Pages};
use crate::server::tls::CertificateFiles;
use crate::server::{self, Settings};
use crate::time::SystemClock;

/// Files that are open beside connections: the store's, the log, the listener.
const OTHER_FILES: u64 = 200;
/// Where is listened if nothing is said.
pub(super) const LISTEN: &str = "127.0.0.1:8080";
/// How many connections there may be at once to the address for figures.
const FIGURES_CONNECTIONS: usize = 32;

#[derive(Args)]
pub(super) struct Options {
    /// The address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", env = "BONAFIDE_LISTEN", default_value = LISTEN)]
    listen: String,
    /// The URL by which clients reach the server; the address bound if not given
    #[arg(long, value_name = "URL", env = "BONAFIDE_PUBLIC_URL", hide_env_values = true)]
    pub(super) public_url: Option<url::Url>,
    /// For trying out: make a key and a sample user, and print how to use them
    #[arg(long, env = "BONAFIDE_DEV", value_parser = FalseyValueParser::new())]
    pub(super) dev: bool,
    /// The header in which a proxy in front tells the address of a client, like X-Forwarded-For; its
    /// last address counts. Without one, no header is believed
    #[arg(long, value_name = "NAME", env = "BONAFIDE_CLIENT_ADDRESS_HEADER")]
    pub(super) client_address_header: Option<HeaderName>,
    /// How many pages behind links this server gives one source in a minute
    #[arg(long, value_name = "N", env = "BONAFIDE_PAGES_PER_MINUTE", default_value_t = PAGES_PER_MINUTE, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pages_per_minute: u32,
    /// Where figures for Prometheus are told, at /metrics: an address to listen on, or off; on the main
    /// address if not given. Whoever can reach it needs no key
    #[arg(long, value_name = "ADDR", env = "BONAFIDE_METRICS_LISTEN")]
    metrics_listen: Option<MetricsListen>,
    /// How many connections there may be at once; more are refused with 503
    #[arg(long, value_name = "N", env = "BONAFIDE_MAX_CONNECTIONS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,
    /// How many threads answer requests. With 0 one for each core, or for every second one where
    /// PostgreSQL runs on this machine and needs the others
    #[arg(long, value_name = "N", env = "BONAFIDE_THREADS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1_024))]
    threads: u16,
    /// What is logged: error, warn, info, debug, trace or off
    #[arg(long, value_name = "LEVEL", env = "BONAFIDE_LOG", default_value = "info")]
    log: Directives,
    // Options that stand after these would be listed under the last one's heading.
    #[command(flatten)]
    pub(super) store: StoreOption,
    #[command(flatten)]
    pub(super) secret: SecretOption,
    #[command(flatten)]
    pub(super) tls: TlsOptions,
    #[command(flatten)]
    pub(super) mail: MailOptions,
    #[command(flatten)]
    templates: TemplatesOption,
}

/// Where figures are told, if not on the main address.
#[derive(Clone)]
enum MetricsListen {
    /// Nowhere.
    Off,
    /// On an address of their own.
    At(String),
}

impl FromStr for MetricsListen {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "off" { Self::Off } else { Self::At(text.to_owned()) })
    }
}

impl Options {
    pub(super) fn log(&self) -> &Directives {
        &self.log
    }

    /// How many threads answer requests on a machine with so many cores.
    pub(super) fn threads(&self, cores: usize) -> usize {
        match self.threads {
            // Each thread more wakes others up in vain, and takes time from the database.
            0 if self.store.is_database_on_this_machine() => cores.div_ceil(2),
            0 => cores,
            threads => threads.into(),
        }
    }

    /// What cannot be used as it was said, or not together, as far as files and words tell: each with
    /// the setting it is about.
    pub(super) fn faults(&self) -> Vec<(&'static str, anyhow::Error)> {
        let url = self.public_url.as_ref().map(url::Url::as_str);
        let checked = [
            ("listen", addresses::check(&self.listen)),
            ("metrics_listen", self.check_metrics_listen()),
            ("public_url", self.public_url.as_ref().map_or(Ok(()), addresses::check_public)),
            ("store", self.store.check()),
            ("secret_file", self.secret.check(&self.store, self.dev)),
            ("mail", self.mail.check(url)),
            ("templates", self.templates.load().map(drop)),
            ("tls_cert", self.tls.named().map(drop)),
        ];
        checked.into_iter().filter_map(|(key, checked)| Some((key, checked.err()?))).collect()
    }

    fn check_metrics_listen(&self) -> Result<()> {
        match &self.metrics_listen {
            Some(MetricsListen::At(address)) => {
                addresses::check(address)?;
                addresses::check_apart(&self.listen, address)
            }
            Some(MetricsListen::Off) | None => Ok(()),
        }
    }

    /// The files that are named and that only the server should be able to read.
    pub(super) fn private_files(&self) -> Vec<PathBuf> {
        let files = [self.store.password_file(), self.mail.password_file(), self.tls.key()];
        files.into_iter().flatten().map(Path::to_owned).collect()
    }

    /// The value of a setting that may hold a secret, without it.
    pub(super) fn without_secret(&self, key: &str) -> Option<String> {
        match key {
            "store" => self.store.shown(),
            "mail" => self.mail.shown(),
            "public_url" => self.public_url.as_ref().and_then(addresses::shown),
            _ => None,
        }
    }
}

pub(super) async fn run(options: Options, clock: Arc<SystemClock>) -> Result<()> {
    // Before anything else, so that a signal during the start is not lost.
    let end = end_signal()?;
    // Before anything is made.
    if let Some((_, reason)) = options.faults().into_iter().next() {
        return Err(reason);
    }
    let store = options.store.open_or_make(&*clock).await?;
    let certificate = options.tls.certificate(&options.store)?;
    let tls = certificate.as_ref().map(CertificateFiles::acceptor).transpose()?;
    let listener = listen(&options.listen).await?;
    let metrics_listener = match &options.metrics_listen {
        Some(MetricsListen::At(address)) => Some(listen(address).await?),
        Some(MetricsListen::Off) | None => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = listener.local_addr()?;
    let bound = format!("{scheme}://{address}");
    let public = options.public_url.as_ref().map_or(bound.as_str(), url::Url::as_str).trim_end_matches('/');
    let random = Arc::new(SystemRandom);
    let secret = options.secret.read_or_make(&options.store, options.dev, &*random)?;
    let templates = Arc::new(options.templates.load()?);
    let beside = options.dev.then(|| options.store.folder()).transpose()?;
    let mail = options.mail.url(beside.as_deref())?;
    let mailer = mail.as_ref().map(|mail| options.mail.mailer(mail, public, clock.clone(), random.clone()));
    let app =
        App::new(store.clone(), clock, random.clone(), secret).reached_by(public).listening_on(address.ip());
    let app = Arc::new(if mailer.is_some() { app.sending_mail() } else { app });
    let (mail_ends, mail_end) = oneshot::channel::<()>();
    let sending = if let Some(mailer) = mailer {
        let outbox = Arc::new(Outbox::new(app.clone(), mailer?, templates.clone()));
        Some(tokio::spawn(outbox.run(mail_end.map(drop))))
    } else {
        tracing::warn!("no mail is configured: nobody is sent a link or a code; see --mail");
        None
    };
    let swept = app.clone();
    tokio::spawn(async move { swept.keep_swept().await });
    let mailbox = match mail {
        Some(MailUrl::Folder(folder)) if options.dev => Some(folder),
        _ => None,
    };

    let mut greeting = format!("listening on {bound}\n");
    if let Some(files) = certificate.as_ref().filter(|_| options.tls.is_self_signed()) {
        writeln!(greeting, "clients can trust this server by {}", files.certificate.display())?;
    }
    if let Some(listener) = &metrics_listener {
        writeln!(greeting, "figures at http://{}/metrics", listener.local_addr()?)?;
    }
    if options.dev {
        let trusted = certificate.as_ref().map(|files| files.certificate.as_path());
        greeting += &dev::prepare(&app, &options.store.folder()?, public, trusted, mailbox.is_some()).await?;
    }
    print(&greeting)?;

    let max_connections = bounded_by_files(options.max_connections);
    let settings =
        Settings { tls, max_connections, random, client_address_header: options.client_address_header };
    let pages = Pages::new(templates, mailbox).bounded_to(options.pages_per_minute);
    let mut router = crate::api::router(app.clone(), pages);
    if options.metrics_listen.is_none() {
        router = router.merge(crate::api::metrics(app.clone()));
    }
    let figures = metrics_listener.map(|listener| FiguresServer::start(listener, app.clone()));
    server::serve(listener, router, settings, end).await;
    app.finish().await;
    if let Some(figures) = figures {
        figures.end().await;
    }
    drop(mail_ends);
    if let Some(sending) = sending {
        // Its panic has been printed already.
        let _ = sending.await;
    }
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Listens on an address that an option gives.
async fn listen(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("the address {address} cannot be listened on"))
}

/// What tells figures on an address of its own, for as long as there is anything to tell.
struct FiguresServer {
    end: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl FiguresServer {
    fn start(listener: TcpListener, app: Arc<App>) -> Self {
        let (end, ended) = oneshot::channel();
        let settings = Settings {
            tls: None,
            max_connections: FIGURES_CONNECTIONS,
            random: app.random.clone(),
            client_address_header: None,
        };
        let router = crate::api::metrics(app);
        let served = tokio::spawn(server::serve(listener, router, settings, ended.map(drop)));
        Self { end, served }
    }

    async fn end(self) {
        drop(self.end);
        // Its panic has been printed already.
        let _ = self.served.await;
    }
}

/// Completes when the server is asked to end.
fn end_signal() -> Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}

/// As many connections as are wanted and as the system has files for; it is asked for more first.
fn bounded_by_files(wanted: u32) -> usize {
    let files = rlimit::increase_nofile_limit(u64::from(wanted) + OTHER_FILES).unwrap_or(1024);
    let room = u32::try_from(files.saturating_sub(OTHER_FILES).max(1)).unwrap_or(u32::MAX);
    if room < wanted {
        tracing::warn!(wanted, room, "the system's limit on open files leaves room for fewer connections");
    }
    wanted.min(room) as usize
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;
    use clap::builder::Resettable;

    use super::*;

    fn threads(words: &[&str], cores: usize) -> usize {
        // What this test's own environment says is not to count.
        let serve = Options::augment_args(clap::Command::new("serve"))
            .mut_args(|option| option.env(Resettable::Reset));
        let matches = serve.get_matches_from([&["serve"], words].concat());
        Options::from_arg_matches(&matches).unwrap().threads(cores)
    }

    #[test]
    fn half_of_the_cores_are_left_to_a_database_on_this_machine_unless_somebody_says_how_many() {
        let (here, elsewhere) = ("postgres://me@127.0.0.1/users", "postgres://me@db.example.com/users");
        assert_eq!([1, 2, 3, 8].map(|cores| threads(&["--store", here], cores)), [1, 1, 2, 4]);
        assert_eq!(threads(&["--store", elsewhere], 8), 8);
        assert_eq!(threads(&[], 8), 8);
        assert_eq!(threads(&["--store", here, "--threads", "6"], 2), 6);
    }
}
