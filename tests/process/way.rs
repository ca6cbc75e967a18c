//! A way over the network that can be disturbed.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::postgres::Database;

/// What becomes of the bytes on the way to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// They go on.
    Open,
    /// They are taken and not handed on.
    Held,
    /// Connections are cut, and new ones too.
    Cut,
}

/// A way to the database that can be disturbed.
pub(super) struct Way {
    /// The URL of the database by this way.
    pub(super) url: String,
    /// Changes what becomes of the bytes.
    pub(super) line: watch::Sender<Line>,
}

impl Way {
    /// An open one.
    pub(super) async fn to(database: &Database) -> Self {
        let address = database.url.split(['@', '/']).nth(3).expect("a URL has a host").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let here = listener.local_addr().expect("it has an address").to_string();
        let url = database.url.replace(&address, &here);
        let (line, watched) = watch::channel(Line::Open);
        tokio::spawn(async move {
            while let Ok((incoming, _)) = listener.accept().await {
                tokio::spawn(carry(incoming, address.clone(), watched.clone()));
            }
        });
        Self { url, line }
    }
}

async fn carry(incoming: TcpStream, address: String, mut line: watch::Receiver<Line>) {
    let Ok(outgoing) = TcpStream::connect(address).await else { return };
    let ((from_us, to_us), (from_it, to_it)) = (incoming.into_split(), outgoing.into_split());
    let (there, back) = (line.clone(), line.clone());
    tokio::select! {
        () = pass(from_us, to_it, there) => {}
        () = pass(from_it, to_us, back) => {}
        _ = line.wait_for(|line| *line == Line::Cut) => {}
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut line: watch::Receiver<Line>,
) {
    let mut bytes = vec![0; 65_536];
    loop {
        let Ok(read @ 1..) = from.read(&mut bytes).await else { return };
        if line.wait_for(|line| *line == Line::Open).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
