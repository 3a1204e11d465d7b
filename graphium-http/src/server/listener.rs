//! The socket that the server listens on, and what is behind it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::{DefaultAcceptor, NoDelayAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tokio::net::TcpSocket;

use super::limits::{HEAD_TIMEOUT, MAX_HEAD_BYTES, MAX_UNACCEPTED};

/// Listens with room for a crowd: what does not fit is dropped, and comes again only after seconds.
pub(super) fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that starts again takes the port of the one before at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(MAX_UNACCEPTED)?.into_std()
}

/// A server at work, until it has stopped.
pub(super) type Listening = std::pin::Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

/// Serves the app to whoever connects.
pub(super) fn listen(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    handle: Handle<SocketAddr>,
    app: Router,
) -> std::io::Result<Listening> {
    let mut server = axum_server::from_tcp(listener)?.handle(handle);
    // With no bound a connection that waits would keep a buffer of twice this size.
    let mut http1 = server.http_builder().http1();
    http1.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    server.http_builder().http2().timer(TokioTimer::new());
    let service = app.into_make_service();
    Ok(match tls {
        Some(config) => {
            let tls = RustlsAcceptor::new(RustlsConfig::from_config(config));
            let server = server.acceptor(tls.acceptor(NoDelayAcceptor::new()));
            Box::pin(server.serve(service))
        }
        None => {
            let server = server.map(|_: DefaultAcceptor| NoDelayAcceptor::new());
            Box::pin(server.serve(service))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_crowd_may_connect_before_anybody_is_accepted() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let crowd = futures::future::try_join_all((0..500).map(|_| tokio::net::TcpStream::connect(address)));
        let crowd = tokio::time::timeout(Duration::from_secs(20), crowd).await.expect("there is room for all of them");
        assert_eq!(crowd.unwrap().len(), 500);
    }
}
