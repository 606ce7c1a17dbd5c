//! Accepts connections and serves each, until it is told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::either::Either;

use crate::caller::Caller;

/// How many connections are served at once; more wait to be accepted.
const MOST_CONNECTIONS: usize = 512;
/// How long a connection may be idle, or take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long who has just connected has to say what he wants: after that hyper closes what has said nothing.
const ARRIVAL: Duration = Duration::from_millis(50);
/// How long a stop waits for the requests under way.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long to rest when the system is out of file descriptors.
const REST: Duration = Duration::from_millis(50);

/// Where the Admin API listens.
pub enum Listener {
    /// At an address.
    Tcp(TcpListener),
    /// At a socket that is a file.
    Unix(UnixListener),
}

type Stream = Either<TcpStream, UnixStream>;

impl Listener {
    /// The next connection, and who has connected.
    async fn accept(&self) -> io::Result<(Stream, Caller)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                // Whoever has gone again came from anywhere.
                let ours = stream.local_addr().unwrap_or(SocketAddr::from(([0; 4], 0)));
                Ok((Either::Left(stream), Caller::by_address(peer, ours)))
            }
            Self::Unix(listener) => Ok((Either::Right(listener.accept().await?.0), Caller::by_file())),
        }
    }
}

/// Serves until `shutdown` resolves; then finishes the requests under way, for two seconds at most, and returns.
pub async fn serve(listener: Listener, router: Router, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut shutdown = pin!(shutdown);
    loop {
        let ((stream, caller), place) = tokio::select! {
            accepted = accept(&listener, &places) => accepted?,
            () = &mut shutdown => break,
        };
        let router = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(caller);
            router.call(request)
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // An error is a client that left or spoke no HTTP: nobody is there to be told.
            drop(connection.await);
            drop(place);
        });
    }
    drop(listener);
    sleep(ARRIVAL).await;
    // Whoever is not done by then is cut off as the runtime stops.
    let _ = timeout(FAREWELL, graceful.shutdown()).await;
    Ok(())
}

/// The next connection once there is a place for it.
async fn accept(listener: &Listener, places: &Arc<Semaphore>) -> io::Result<((Stream, Caller), OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    loop {
        match listener.accept().await {
            Ok(accepted) => return Ok((accepted, place)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => sleep(REST).await,
        }
    }
}
