//! The listeners of the gateway: opened here, or taken over from the process before, and kept to be handed to the next.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, anyhow};
use sluice_config::Config;
use socket2::SockRef;

/// How much the kernel takes for a client beyond what is on its way to him. Left to itself it takes 4 MiB, and some hundreds
/// of clients that read nothing take from all others what there is of its memory.
const UNSENT: u32 = 128 * 1024;

/// A listener and the address that the configuration has for it.
pub type Listener = (SocketAddr, TcpListener);

/// All listeners, each once, as long as the gateway accepts.
#[derive(Default)]
pub struct Listeners(Mutex<Vec<Listener>>);

impl Listeners {
    /// Takes every address before anything runs, so that one in use is a clear error. Those that are `inherited` are in use,
    /// and ours; what is left of them is closed.
    pub fn open(config: &Config, demo: Option<SocketAddr>, mut inherited: Vec<Listener>) -> anyhow::Result<Self> {
        let own = [(config.admin.listen, "admin.listen")].into_iter().chain(demo.map(|address| (address, "--httpbin")));
        let mut all = Vec::new();
        for (address, key) in proxies(config).chain(own) {
            let listener = match inherited.iter().position(|(known, _)| *known == address) {
                Some(index) => inherited.swap_remove(index).1,
                None => bind(address, key)?,
            };
            // Its connections inherit it.
            let bounded = SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT);
            bounded.with_context(|| format!("cannot bound what is held for clients of {address} ({key})"))?;
            all.push((address, listener));
        }
        Ok(Self(Mutex::new(all)))
    }

    /// The listener of this address, for who accepts.
    pub fn of(&self, address: SocketAddr) -> anyhow::Result<TcpListener> {
        let all = self.all();
        let (_, listener) =
            all.iter().find(|(known, _)| *known == address).ok_or_else(|| anyhow!("nothing listens on {address}"))?;
        listener.try_clone().with_context(|| format!("cannot use the listener of {address}"))
    }

    /// Looks at all of them, for who hands them over.
    pub fn with<T>(&self, look: impl FnOnce(&[Listener]) -> T) -> T {
        look(&self.all())
    }

    /// Closes them here. Who accepts has his own, and a successor has his.
    pub fn let_go(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the proxy listens, and which key says so.
pub fn proxies(config: &Config) -> impl Iterator<Item = (SocketAddr, &'static str)> {
    let plain = config.server.listen.iter().map(|address| (*address, "server.listen"));
    plain.chain(config.server.tls.iter().map(|tls| (tls.listen, "server.tls")))
}

/// Takes an address.
pub fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listener.with_context(|| format!("cannot listen on {address} ({key}); stop who holds it, or write another address"))
}
