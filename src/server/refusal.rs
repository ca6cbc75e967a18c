//! What a connection too many is told, before any request is read and outside of the router.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use crate::id::RequestId;

/// How long a refusal may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Tells a client that there is no room, and reads what it sends meanwhile: closing before that is
/// read would be a reset, which takes the answer with it.
pub(super) async fn refuse(mut stream: TcpStream, id: RequestId, _permit: OwnedSemaphorePermit) {
    let answer = answer(id);
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    // The client may have gone already.
    let _ = tokio::time::timeout(TIMEOUT, told).await;
}

/// The whole answer. The problem has no `instance`: which path was wanted is not known.
fn answer(id: RequestId) -> String {
    let problem = format!(
        "{{\"type\":\"https://httpstatuses.io/503\",\"title\":\"Service Unavailable\",\"status\":503,\
         \"detail\":\"The server has all the connections that it takes. Try again soon.\",\
         \"traceId\":\"{id}\"}}"
    );
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
         x-request-id: {id}\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: {}\r\n\r\n{problem}",
        problem.len()
    )
}
