//! A connection to an upstream while it answers one request.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use pingora_core::{Error, ErrorType, Result};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::pool;
use super::stream::Stream;
use crate::balancer::Address;
use crate::connection::Connection;
use crate::snapshot::ServiceView;

pub(super) struct Upstream {
    stream: Stream,
    address: Address,
    /// It was kept from an earlier request, and may be dead.
    pub kept: bool,
    read_timeout: Duration,
    write_timeout: Duration,
}

impl Upstream {
    /// A connection to this address of the service: one that was kept if that is allowed, or a new one.
    pub async fn reach((service, address): (&ServiceView, &Address), may_be_kept: bool, client: &Connection) -> Result<Self> {
        let waiting = if may_be_kept { pool::take(address) } else { None };
        let kept = waiting.is_some();
        let stream = match waiting {
            Some(stream) => stream,
            None => client.while_it_waits(connect(address, service.connect_timeout)).await.unwrap_or_else(|| Err(gone()))?,
        };
        Ok(Self {
            stream,
            address: address.clone(),
            kept,
            read_timeout: service.read_timeout,
            write_timeout: service.write_timeout,
        })
    }

    /// Sends the whole request.
    pub async fn send(&self, mut request: &[u8]) -> Result<()> {
        loop {
            match self.stream.try_write(request) {
                Ok(written) if written == request.len() => return Ok(()),
                Ok(written) => request = &request[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let writable = timeout(self.write_timeout, self.stream.writable()).await;
                    let in_time = writable.map_err(|_| Error::new(ErrorType::WriteTimedout).into_up())?;
                    in_time.map_err(|error| Error::because(ErrorType::WriteError, "sending the request", error).into_up())?;
                }
                Err(error) => return Err(Error::because(ErrorType::WriteError, "sending the request", error).into_up()),
            }
        }
    }

    /// Reads more of the answer, unless it is too late or the client goes first. 0: the upstream has closed.
    pub async fn fill(&mut self, into: &mut BytesMut, client: &Connection) -> Result<usize> {
        if into.capacity() == into.len() {
            into.reserve(4096);
        }
        let mut late: Pin<&mut Sleep> = pin!(sleep(self.read_timeout));
        poll_fn(|cx| {
            if let Poll::Ready(read) = self.stream.poll_read(cx, into) {
                return Poll::Ready(read.map_err(|e| Error::because(ErrorType::ReadError, "reading the answer", e).into_up()));
            }
            if client.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(gone()));
            }
            late.as_mut().poll(cx).map(|()| Err(Error::new(ErrorType::ReadTimedout).into_up()))
        })
        .await
    }

    /// Lets another request use the connection.
    pub fn keep(self) {
        pool::put(self.address, self.stream);
    }
}

fn gone() -> Box<Error> {
    Error::explain(ErrorType::ConnectionClosed, "while it waited").into_down()
}

async fn connect(address: &Address, within: Duration) -> Result<Stream> {
    let until = Instant::now() + within;
    let connected = tokio::time::timeout_at(until, Stream::connect(address)).await;
    let connected = connected.map_err(|_| Error::explain(ErrorType::ConnectTimedout, address.to_string()).into_up())?;
    connected.map_err(|error| {
        let kind = match error.kind() {
            // The socket of somebody who is not there may be gone.
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => ErrorType::ConnectRefused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ErrorType::ConnectNoRoute,
            _ => ErrorType::ConnectError,
        };
        Error::because(kind, address.to_string(), error).into_up()
    })
}
