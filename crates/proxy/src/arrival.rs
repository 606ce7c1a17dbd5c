//! Waits for the next request on a connection: not for ever, and not for a head without end.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use http::request::Parts;
use pingora_core::server::ShutdownWatch;
use tokio::time::{Instant, Sleep, sleep};

use crate::bad::Bad;
use crate::connection::Connection;
use crate::extent::Extent;
use crate::heads::Head;
use crate::pieces::PAUSE;
use crate::plain::Found;
use crate::visit::is_begun;

/// In how many pieces a head may come before it is read less often: each piece costs as much as a whole head does.
const PIECES: usize = 8;

/// What a client wants next.
pub(crate) enum Next {
    /// A plain request, and its bytes.
    Plain(Box<Parts>, Bytes),
    /// A request for Pingora, that goes so far.
    Other(Extent),
    /// To speak HTTP/2 from now on.
    Streams,
    /// Something that is refused; nothing that follows it is believed.
    Bad(Bad),
    /// It is gone, or was idle for too long.
    Nothing,
}

/// The next request. `timer` is the connection's; `leave` says when an idle connection is waited for no longer.
pub(crate) async fn next(connection: &mut Connection, mut timer: Pin<&mut Sleep>, leave: &ShutdownWatch) -> Next {
    let clients = connection.clients;
    let mut head = Head::default();
    let mut until = Instant::now() + clients.keepalive_timeout;
    let mut pieces = 0;
    connection.before = None;
    loop {
        if !connection.ahead().is_empty() {
            match head.read(connection.ahead(), clients.max_header_size) {
                Ok(Found::Plain(request, bytes)) => return Next::Plain(request, bytes),
                Ok(Found::Other(extent)) => return Next::Other(extent),
                Ok(Found::Streams) => return Next::Streams,
                Err(bad) => return Next::Bad(bad),
                Ok(Found::Partial) => {}
            }
            pieces += 1;
            if pieces == 1 {
                // Its time counts from its first byte.
                until = Instant::now() + clients.header_timeout;
                timer.as_mut().reset(until);
            } else if Instant::now() >= until {
                return Next::Bad(Bad::SLOW);
            } else if pieces > PIECES {
                if connection.is_in_crumbs() {
                    return Next::Bad(Bad::CRUMBS);
                }
                sleep(PAUSE).await;
            }
        }
        match more(connection, timer.as_mut(), until, leave).await {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut && pieces > 0 => return Next::Bad(Bad::SLOW),
            Ok(0) | Err(_) => return Next::Nothing,
        }
    }
}

/// Reads more. 0: the client has closed, or is waited for no longer.
async fn more(
    connection: &mut Connection,
    mut timer: Pin<&mut Sleep>,
    until: Instant,
    leave: &ShutdownWatch,
) -> io::Result<usize> {
    poll_fn(|cx| {
        if let Poll::Ready(more) = connection.poll_more(cx) {
            return Poll::Ready(more);
        }
        if is_begun(leave) {
            return Poll::Ready(Ok(0));
        }
        // The timer is set seldom and looked at when it fires; requests move only `until`.
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= until {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            timer.as_mut().reset(until);
        }
        Poll::Pending
    })
    .await
}
