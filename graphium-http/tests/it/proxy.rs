//! A connection that can be cut in the middle.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Forwards connections to a server until it is told to cut those that are open.
pub(crate) struct Proxy {
    pub(crate) url: String,
    cuts: watch::Sender<usize>,
    _running: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cuts = watch::Sender::new(0);
        let mut running = JoinSet::new();
        let seen = cuts.clone();
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((incoming, _)) = listener.accept().await {
                connections.spawn(forward(incoming, server, seen.subscribe()));
            }
        });
        Self { url, cuts, _running: running }
    }

    /// Cuts every open connection; new ones are forwarded again.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn forward(mut incoming: TcpStream, server: SocketAddr, mut cuts: watch::Receiver<usize>) {
    let mut outgoing = TcpStream::connect(server).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut incoming, &mut outgoing) => {}
        _ = cuts.changed() => {}
    }
}
