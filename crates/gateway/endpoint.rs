//! The proxy as a Pingora service, on listeners that were opened before.

use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::pin::pin;
use std::sync::mpsc::SyncSender;
use std::task::Poll;

use async_trait::async_trait;
use pingora_core::server::{ListenFds, RuntimeOpts, ShutdownWatch};
use pingora_core::services::Service;
use pingora_core::services::listening;
use sluice_proxy::Front;

/// The proxy. Pingora takes what is in its table of listeners instead of binding the same address.
pub struct Endpoint {
    pub proxy: listening::Service<Front>,
    pub listeners: Vec<(SocketAddr, TcpListener)>,
    /// Told when it accepts.
    pub up: SyncSender<()>,
}

#[async_trait]
impl Service for Endpoint {
    async fn start_service(&mut self, table: Option<ListenFds>, shutdown: ShutdownWatch, listeners_per_fd: usize) {
        if let Some(table) = &table {
            let mut table = table.lock();
            for (address, listener) in self.listeners.drain(..) {
                table.add(address.to_string(), listener.into_raw_fd());
            }
        }
        let mut serving = pin!(self.proxy.start_service(table, shutdown, listeners_per_fd));
        // With listeners at hand it does not wait before every one has a task that accepts.
        if poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx))).await.is_pending() {
            // Nobody waits for it a second time.
            let _ = self.up.try_send(());
            serving.await;
        }
    }

    fn name(&self) -> &str {
        self.proxy.name()
    }

    fn threads(&self) -> Option<usize> {
        self.proxy.threads()
    }

    fn runtime_opts_override(&self, global: &RuntimeOpts) -> Option<RuntimeOpts> {
        self.proxy.runtime_opts_override(global)
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        self.proxy.listen_addresses()
    }
}
