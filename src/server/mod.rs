//! The listening side: connections, their bounds and time-outs, TLS, and a graceful end.

mod client;
mod linger;
mod patient;
mod refusal;
mod requests;
pub mod tls;
pub mod validity;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderName;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::api::RemoteAddress;
use crate::id::{Random, RequestId};
use linger::Lingering;
use patient::Patient;
use requests::Requests;

/// How long a client may take for a request's head, or to begin the next one.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests that are under way may take to finish when the server ends.
const GRACE: Duration = Duration::from_secs(10);
/// How long nothing is accepted after the system refused to, for want of files most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections too many are refused with words at once; more are only closed.
const REFUSALS: usize = 64;

/// How connections are made and bounded.
pub struct Settings {
    /// The TLS side, if there is to be one.
    pub tls: Option<TlsAcceptor>,
    /// How many connections there are at most.
    pub max_connections: usize,
    /// Where the ids of refusals come from.
    pub random: Arc<dyn Random>,
    /// The header in which a proxy tells a client's address, if there is one to be believed.
    pub client_address_header: Option<HeaderName>,
}

/// Serves the router until `end` comes, then finishes what is under way, for ten seconds at most.
pub async fn serve(listener: TcpListener, router: Router, settings: Settings, end: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(settings.max_connections));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let (ending, end_begins) = watch::channel(());
    let server = Arc::new(Server {
        router,
        tls: settings.tls,
        http: http_settings(),
        client_address_header: settings.client_address_header,
    });
    tokio::pin!(end);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut end => break,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Ok(permit) = connections.clone().try_acquire_owned() {
            tokio::spawn(server.clone().connection(stream, remote, end_begins.clone(), permit));
        } else {
            let id = RequestId::new(&*settings.random);
            tracing::warn!(request.id = %id, "a connection was refused: there are as many as the server takes");
            // Over TLS it is only closed: a handshake is what costs.
            if server.tls.is_none()
                && let Ok(permit) = refusals.clone().try_acquire_owned()
            {
                tokio::spawn(refusal::refuse(stream, id, permit));
            }
        }
    }
    drop((listener, end_begins));
    ending.send_replace(());
    // Each connection holds on to the other side of the channel for as long as it is there.
    if tokio::time::timeout(GRACE, ending.closed()).await.is_err() {
        tracing::warn!("some requests were not finished in time and were cut off");
    }
}

fn http_settings() -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(REQUEST_TIMEOUT);
    http.http2().timer(TokioTimer::new()).keep_alive_interval(REQUEST_TIMEOUT).max_concurrent_streams(256);
    http
}

struct Server {
    router: Router,
    tls: Option<TlsAcceptor>,
    http: Builder<TokioExecutor>,
    client_address_header: Option<HeaderName>,
}

impl Server {
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        remote: SocketAddr,
        mut end_begins: watch::Receiver<()>,
        permit: OwnedSemaphorePermit,
    ) {
        // Small answers go out at once; without it they would wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        // Below TLS, whose own writes and close go the same way.
        let stream = Patient::around(stream);
        match &self.tls {
            None => self.requests(stream, remote, end_begins).await,
            Some(acceptor) => {
                let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
                let handshake = tokio::select! {
                    done = handshake => done,
                    _ = end_begins.changed() => return,
                };
                match handshake {
                    Ok(Ok(stream)) => self.requests(stream, remote, end_begins).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                }
            }
        }
        drop(permit);
    }

    /// Answers the requests of a connection until its client closes it, or brings no more of them,
    /// or the server ends.
    async fn requests<S>(&self, stream: S, remote: SocketAddr, mut end_begins: watch::Receiver<()>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router.clone();
        let requests = Arc::new(Requests::default());
        let counted = requests.clone();
        let client_address_header = self.client_address_header.clone();
        let service = tower::service_fn(move |mut request: hyper::Request<Incoming>| {
            let under_way = counted.begin();
            let client = match &client_address_header {
                Some(name) => client::address(request.headers(), name).unwrap_or(remote.ip()),
                None => remote.ip(),
            };
            request.extensions_mut().insert(RemoteAddress(client.to_canonical()));
            let expects_go_ahead = request.headers().contains_key(hyper::header::EXPECT);
            let request = request.map(|body| Lingering::around(body, expects_go_ahead));
            let answer = tower::ServiceExt::oneshot(router.clone(), request);
            async move {
                let answer = answer.await;
                drop(under_way);
                answer
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = pin!(connection);
        tokio::select! {
            biased;
            ended = connection.as_mut() => return log_end(ended),
            _ = end_begins.changed() => {
                // Whoever has not sent a whole head by now has asked for nothing that could be lost.
                if !requests.any_begun() {
                    return;
                }
            }
            // HTTP/1.1 has a time-out for heads of its own, but that begins only once it is known
            // which version the client speaks, which one that says nothing never tells.
            () = requests.idle_for(REQUEST_TIMEOUT) => tracing::debug!("a connection brought no request in time"),
        }
        connection.as_mut().graceful_shutdown();
        log_end(connection.await);
    }
}

/// Logs why a connection ended, if it did not end in order.
fn log_end(ended: Result<(), impl std::fmt::Display>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
