//! A server in this process, on a port of its own, until it is dropped.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

pub struct Server {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(router: Router) -> Self {
        Self::spawn(async move |listener, stopped| {
            // Without waiting for connections that hang on purpose.
            tokio::select! {
                served = axum::serve(listener, router) => served.unwrap(),
                _ = stopped => {}
            }
        })
    }

    pub(super) fn spawn<F: AsyncFnOnce(TcpListener, oneshot::Receiver<()>) + Send + 'static>(serve: F) -> Self {
        let (tell, address) = channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                serve(listener, stopped).await;
            });
            // What hangs still is cut off.
            runtime.shutdown_background();
        });
        Self { address: address.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// The httpbin-style upstream.
pub fn httpbin() -> Server {
    Server::spawn(async |listener, stopped| {
        let stopped = async move { drop(stopped.await) };
        sluice_httpbin::serve(listener, stopped).await.unwrap();
    })
}

/// An upstream that says when a request came and answers when it may.
pub fn gated() -> (Server, Receiver<()>, Arc<Semaphore>) {
    let (tell, came) = channel();
    let tell = Arc::new(Mutex::new(tell));
    let gate = Arc::new(Semaphore::new(0));
    let open = gate.clone();
    let router = Router::new().fallback(move || {
        tell.lock().unwrap().send(()).unwrap();
        let open = open.clone();
        async move {
            open.acquire().await.unwrap().forget();
            "at last"
        }
    });
    (Server::start(router), came, gate)
}
