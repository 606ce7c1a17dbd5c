//! Accepts connections, serves each on a task of its own, and stops gracefully.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, time::Duration};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{body::Body, router};

/// How long a connection may take to send the head of its next request. It is longer than proxies keep an idle
/// connection, so that it is never this side that closes first.
const HEAD_TIMEOUT: Duration = Duration::from_secs(300);

/// How long the accept loop rests when the system is out of file descriptors or memory.
const REST: Duration = Duration::from_millis(50);

/// Serves until `shutdown` resolves; then refuses new connections, finishes the requests in flight, and returns.
/// It fails only if `listener` cannot accept at all.
pub async fn serve(listener: TcpListener, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let connections = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            accepted = accept(&listener) => {
                let (stream, peer) = accepted?;
                // Without it small answers wait for the peer's acknowledgement; on a failure they just do.
                let _ = stream.set_nodelay(true);
                let connection = connections.watch(connection(stream, peer));
                // An error is a client that left or spoke no HTTP: nobody is there to be told.
                tokio::spawn(async move { drop(connection.await) });
            }
            () = &mut shutdown => break,
        }
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

/// The next connection, however many attempts fail before it.
async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        match listener.accept().await {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            // This client left before it was its turn; the next one waits already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => sleep(REST).await,
            accepted => return accepted,
        }
    }
}

/// One connection, HTTP/1.1 or 1.0, from its first byte to its last.
fn connection<S>(
    stream: S,
    peer: SocketAddr,
) -> http1::Connection<TokioIo<S>, impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request| async move { Ok::<_, Infallible>(router::answer(request, peer.ip()).await) });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::Instant,
    };

    use super::*;

    /// Sends a GET over a pipe: with no socket in the way, paused time passes only while everyone waits for it.
    async fn ask(path: &str) -> DuplexStream {
        let (mut client, server) = duplex(64 * 1024);
        tokio::spawn(connection(server, ([127, 0, 0, 1], 1).into()));
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        client
    }

    async fn check_delay(path: &str, expected: Duration) {
        let start = Instant::now();
        let mut answer = String::new();
        ask(path).await.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(start.elapsed(), expected, "{path}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_is_as_long_as_asked_up_to_ten_seconds() {
        check_delay("/delay/0", Duration::ZERO).await;
        check_delay("/delay/0.5", Duration::from_millis(500)).await;
        check_delay("/delay/3", Duration::from_secs(3)).await;
        check_delay("/delay/11", Duration::from_secs(10)).await;
        check_delay("/drip?delay=4&duration=0", Duration::from_secs(4)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_drop_is_on_the_wire_before_the_last_is_made() {
        let start = Instant::now();
        let mut connection = ask("/drip?numbytes=2&duration=10").await;
        let mut received = Vec::new();
        while !received.ends_with(b"\r\n\r\n*") {
            received.push(connection.read_u8().await.unwrap());
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(connection.read_u8().await.unwrap(), b'*');
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }
}
