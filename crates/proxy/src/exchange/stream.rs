//! A connection to an upstream, over the network or on this machine.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::io::poll_read_buf;

use crate::balancer::Address;

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub async fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Inet(address) => {
                let stream = TcpStream::connect(address).await?;
                // Without it a small request waits for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                Ok(Self::Tcp(stream))
            }
            Address::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
        }
    }

    /// Nothing was said and nothing was closed. It costs no system call: the runtime knows whether there is news.
    pub fn is_open(&self) -> bool {
        let news = match self {
            Self::Tcp(stream) => stream.try_read(&mut [0]),
            Self::Unix(stream) => stream.try_read(&mut [0]),
        };
        news.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    pub async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Unix(stream) => stream.writable().await,
        }
    }

    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => poll_read_buf(Pin::new(stream), cx, into),
            Self::Unix(stream) => poll_read_buf(Pin::new(stream), cx, into),
        }
    }
}
