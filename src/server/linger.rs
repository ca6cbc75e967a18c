//! Bodies that nobody reads to their end. A server that answers and closes while its client is
//! still sending makes the client's system throw the answer away (a reset); so what is left of a
//! body is read and dropped, within bounds, while the answer goes out.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// How long a rest is read.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of it, in bytes; whoever sends more is cut off.
const MOST: usize = 64 * 1024 * 1024;

/// A request's body whose rest is read when it is dropped.
pub(super) struct Lingering {
    body: Option<Incoming>,
    /// Whether the client is sending: one that waits for a go-ahead (`Expect`) gets it when the body
    /// is first asked for, and has sent nothing before.
    is_sending: bool,
}

impl Lingering {
    /// Wraps a body.
    pub(super) fn around(body: Incoming, expects_go_ahead: bool) -> Body {
        if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(Self { body: Some(body), is_sending: !expects_go_ahead })
        }
    }
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.is_sending = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let is_sending = self.is_sending;
        let rest = self.body.take().filter(|body| is_sending && !body.is_end_stream());
        let Some(rest) = rest else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(tokio::time::timeout(TIMEOUT, read_and_drop(rest)));
    }
}

async fn read_and_drop(mut body: Incoming) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MOST {
            return;
        }
    }
}
