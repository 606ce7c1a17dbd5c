//! The listeners of the gateway: opened here, or taken over from the process before, and kept to be handed to the next.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, anyhow};
use sluice_config::{Config, ListenAt};
use socket2::SockRef;

use crate::socket_file;

/// How much the kernel takes for a client beyond what is on its way to him. Left to itself it takes 4 MiB, and some hundreds
/// of clients that read nothing take from all others what there is of its memory.
const UNSENT: u32 = 32 * 1024;

/// What is listened at.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A listener and the place that the configuration has for it.
pub type Listener = (ListenAt, Socket);

/// All listeners, each once, as long as the gateway accepts.
#[derive(Default)]
pub struct Listeners {
    all: Mutex<Vec<Listener>>,
    /// The files of those that are for this process to take out when it goes.
    files: Mutex<Vec<PathBuf>>,
    /// The files of those that the process before had, and this one has not.
    left: Mutex<Vec<PathBuf>>,
}

impl Socket {
    /// The listener of a place that came from another process.
    pub fn at(place: &ListenAt, fd: OwnedFd) -> Self {
        match place {
            ListenAt::Address(_) => Self::Tcp(fd.into()),
            ListenAt::Unix(_) => Self::Unix(fd.into()),
        }
    }

    /// Bounds what the kernel takes for each client; connections inherit it.
    fn bound(&self) -> std::io::Result<()> {
        match self {
            Self::Tcp(listener) => SockRef::from(listener).set_tcp_notsent_lowat(UNSENT),
            Self::Unix(_) => Ok(()),
        }
    }

    fn try_clone(&self) -> std::io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

impl Listeners {
    /// Takes every place before anything runs, so that one in use is a clear error. Those that are `inherited` are in use,
    /// and ours; what is left of them is closed.
    pub fn open(config: &Config, demo: Option<SocketAddr>, mut inherited: Vec<Listener>) -> anyhow::Result<Self> {
        let admin = config.admin.listen.iter().map(|place| (place.clone(), "admin.listen"));
        let demo = demo.map(|address| (ListenAt::Address(address), "--httpbin"));
        let proxies = proxies(config).map(|(address, key)| (ListenAt::Address(address), key));
        let opened = Self::default();
        for (place, key) in proxies.chain(admin).chain(demo) {
            let listener = match inherited.iter().position(|(known, _)| *known == place) {
                Some(index) => inherited.swap_remove(index).1,
                None => opened.bind(&place, key)?,
            };
            listener.bound().with_context(|| format!("cannot bound what is held for clients of {place} ({key})"))?;
            lock(&opened.all).push((place, listener));
        }
        *lock(&opened.left) = inherited.iter().filter_map(|(place, _)| file_of(place)).collect();
        Ok(opened)
    }

    fn bind(&self, place: &ListenAt, key: &str) -> anyhow::Result<Socket> {
        match place {
            ListenAt::Address(address) => bind(*address, key).map(Socket::Tcp),
            ListenAt::Unix(path) => {
                let listener = socket_file::open(path).with_context(|| refused(place, key))?;
                lock(&self.files).push(path.clone());
                Ok(Socket::Unix(listener))
            }
        }
    }

    /// The listener of this place, for who accepts.
    pub fn of(&self, place: &ListenAt) -> anyhow::Result<Socket> {
        let all = lock(&self.all);
        let (_, listener) = all.iter().find(|(known, _)| known == place).ok_or_else(|| anyhow!("nothing listens on {place}"))?;
        listener.try_clone().with_context(|| format!("cannot use the listener of {place}"))
    }

    /// The same, of an address.
    pub fn tcp(&self, address: SocketAddr) -> anyhow::Result<TcpListener> {
        match self.of(&ListenAt::Address(address))? {
            Socket::Tcp(listener) => Ok(listener),
            Socket::Unix(_) => Err(anyhow!("the listener of {address} is a file")),
        }
    }

    /// Looks at all of them, for who hands them over.
    pub fn with<T>(&self, look: impl FnOnce(&[Listener]) -> T) -> T {
        look(&lock(&self.all))
    }

    /// Closes them here. Who accepts has his own, and a successor has his.
    pub fn let_go(&self) {
        lock(&self.all).clear();
    }

    /// Makes the files this process's: no other one serves there any more.
    pub fn own(&self) {
        *lock(&self.files) = lock(&self.all).iter().filter_map(|(place, _)| file_of(place)).collect();
        take_out(&self.left);
    }

    /// Leaves the files to a successor.
    pub fn give_up(&self) {
        lock(&self.files).clear();
    }

    /// Takes out the files that are this process's.
    pub fn clear(&self) {
        take_out(&self.files);
    }
}

/// A start that fails leaves nothing behind.
impl Drop for Listeners {
    fn drop(&mut self) {
        self.clear();
    }
}

fn file_of(place: &ListenAt) -> Option<PathBuf> {
    if let ListenAt::Unix(path) = place { Some(path.clone()) } else { None }
}

fn lock<T>(list: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take_out(files: &Mutex<Vec<PathBuf>>) {
    for file in lock(files).drain(..) {
        // Whoever took it out was faster.
        let _ = fs::remove_file(file);
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
    listener.with_context(|| refused(&ListenAt::Address(address), key))
}

fn refused(place: &ListenAt, key: &str) -> String {
    let other = if matches!(place, ListenAt::Unix(_)) { "path" } else { "address" };
    format!("cannot listen on {place} ({key}); stop who holds it, or write another {other}")
}
