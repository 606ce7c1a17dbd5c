//! A client's connection, with a side door: Pingora reads requests from it, and we may write an answer to it ourselves.
//!
//! Pingora's session lends the stream out for looking only. An answer that goes past it saves two hash maps and a
//! formatted name for each header, which is a third of what a short answer costs.

mod as_stream;

use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use pingora_core::protocols::{IO, Stream};
use sluice_config::Clients;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::io::poll_read_buf;

use crate::caller::Caller;
use crate::complaints::Reason;
use crate::extent::Extent;
use crate::pace::Pace;
use crate::pieces::{PAUSE, Pieces};
use crate::quiet::Quiet;
use crate::shared::Shared;
use crate::tls::Secure;
use crate::traffic::Traffic;

/// How much of a client's next requests is taken in while the answer to this one is awaited. Beyond that nobody looks
/// whether it is still there.
const AHEAD: usize = 16 * 1024;
/// How long, and for how many bytes, a client is listened to after the last answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_FOR: usize = 4 * 1024 * 1024;
/// For how many bytes if no request was understood: every packet more is work for nothing.
const LINGER_BRIEFLY: usize = 64 * 1024;
/// What clients do that are too slow.
const SENDS: &str = "the body of a request comes too slowly";
const TAKES: &str = "an answer is taken too slowly";

/// A client's connection. Only the task that owns it touches the stream, so the locks are free whenever they are tried.
pub(crate) struct Connection {
    stream: Mutex<Stream>,
    /// What the client sent while its answer was awaited: the beginning of its next request.
    ahead: Mutex<BytesMut>,
    /// What of it is of the request that Pingora reads.
    extent: Extent,
    /// How fast that comes, as long as its end is known.
    coming: Option<Pace>,
    /// How fast answers are taken.
    taken: Mutex<Pace>,
    /// What the client may take, as it was when it came.
    pub clients: Clients,
    /// It has no request after this one.
    pub last: bool,
    /// What came was no request.
    pub is_refused: bool,
    /// What had come before the head that comes in many pieces, if one does.
    pub before: Option<Pieces>,
    /// Who is at the other end.
    pub caller: Arc<Caller>,
    /// What is known of it if its requests share it.
    shared: Option<Box<Shared>>,
    /// Watches it, if it is about to be upgraded.
    quiet: Mutex<Option<Quiet>>,
    /// How the client is listened to since it was closed.
    lingering: Option<Lingering>,
}

/// How a client is listened to that has had its last answer.
struct Lingering {
    /// Until when.
    over: Pin<Box<Sleep>>,
    /// When next: what it says in many small pieces is heard in fewer.
    pause: Pin<Box<Sleep>>,
    /// How much it has said.
    heard: usize,
}

impl Connection {
    /// Takes a connection over.
    pub fn new(stream: Stream, tls: Option<Secure>, clients: Clients) -> Self {
        let caller = Arc::new(Caller::of(&stream, tls));
        Self {
            stream: Mutex::new(stream),
            ahead: Mutex::default(),
            extent: Extent::Open,
            coming: None,
            taken: Mutex::new(pace(&clients)),
            clients,
            last: false,
            is_refused: false,
            before: None,
            caller,
            shared: None,
            quiet: Mutex::default(),
            lingering: None,
        }
    }

    /// Lets requests of HTTP/2 share it; `many`: those of many clients, whose proxy we trust. Whether its client has flooded
    /// lately.
    pub fn share(&mut self, traffic: &Arc<Traffic>, many: bool) -> bool {
        let floods = if many { 0 } else { traffic.floods.of(self.caller.peer) };
        let client = (&self.caller, self.clients.header_timeout);
        self.shared = Some(Box::new(Shared::new(client, traffic, many, floods)));
        floods > 0
    }

    /// Lets whoever reads next read so far.
    pub fn lend(&mut self, extent: Extent) {
        self.coming = extent.goes_on().then(|| pace(&self.clients));
        self.extent = extent;
        *own(&mut self.quiet) = None;
    }

    /// Ends it when nothing is said on it for so long, either way.
    pub fn watch(&self, limit: Duration) {
        if let Ok(mut quiet) = self.quiet.try_lock() {
            *quiet = Some(Quiet::new(limit));
        }
    }

    /// What was read and not used yet.
    pub fn ahead(&mut self) -> &mut BytesMut {
        own(&mut self.ahead)
    }

    /// Lets what was taken be read again.
    pub fn put_back(&mut self, bytes: &[u8]) {
        let rest = std::mem::replace(self.ahead(), BytesMut::from(bytes));
        self.ahead().unsplit(rest);
    }

    /// Reads more of what the client says into [`Self::ahead`]. 0: the client has closed.
    pub fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let ahead = own(&mut self.ahead);
        ahead.reserve(1024);
        poll_read_buf(Pin::new(own(&mut self.stream)), cx, ahead)
    }

    /// Whether too much of what the client said since it was asked first came in pieces that are too small.
    pub fn is_in_crumbs(&mut self) -> bool {
        let now = Pieces::of(own(&mut self.stream));
        now.are_too_many(*self.before.get_or_insert(now))
    }

    /// Writes all of it, past Pingora, unless the client takes nothing for too long.
    pub async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut waited = false;
        poll_fn(|cx| {
            let before = bytes.len();
            let sent = self.with(|mut stream| {
                while !bytes.is_empty() {
                    let written = ready!(stream.as_mut().poll_write(cx, bytes))?;
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    bytes = &bytes[written..];
                }
                stream.poll_flush(cx)
            });
            if sent.is_ready() && !waited {
                return sent;
            }
            waited = true;
            let Ok(mut taken) = self.taken.try_lock() else { return sent };
            if bytes.len() < before {
                taken.moved(before - bytes.len());
            }
            if sent.is_ready() {
                return sent;
            }
            taken.poll_over(cx).map(|()| Err(too_slow(TAKES)))
        })
        .await
    }

    /// Ready when the client has gone. What it sends instead is kept for the next reader.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Ok(mut ahead) = self.ahead.try_lock() else { return Poll::Pending };
        // Until nothing more is there, so that the task is woken by what comes next.
        while ahead.len() < AHEAD {
            let mut room = [0; 256];
            let mut into = ReadBuf::new(&mut room);
            match self.with(|stream| stream.poll_read(cx, &mut into)) {
                Poll::Ready(Ok(())) if !into.filled().is_empty() => ahead.extend_from_slice(into.filled()),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    /// Reads what the client still says for a while, and forgets it: a socket that is closed with something unread takes
    /// back what it has sent (RFC 9112, 9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.lingering.is_none() {
            // Who takes nothing loses nothing.
            if own(&mut self.taken).is_over()
                || self.poll_gone(cx).is_ready()
                || !self.extent.goes_on() && self.ahead().is_empty()
            {
                return Poll::Ready(());
            }
            self.lingering = Some(Lingering { over: Box::pin(sleep(LINGER)), pause: Box::pin(sleep(Duration::ZERO)), heard: 0 });
        }
        loop {
            if let Some(lingering) = &mut self.lingering
                && lingering.pause.as_mut().poll(cx).is_pending()
            {
                return lingering.over.as_mut().poll(cx);
            }
            self.ahead().clear();
            let (more, crumbs) = (self.poll_more(cx), self.is_in_crumbs());
            let most = if self.is_refused { LINGER_BRIEFLY } else { LINGER_FOR };
            let Some(lingering) = &mut self.lingering else { return Poll::Ready(()) };
            match more {
                Poll::Ready(Ok(more @ 1..)) if lingering.heard < most && !crumbs => {
                    lingering.heard += more;
                    lingering.pause.as_mut().reset(Instant::now() + PAUSE);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return lingering.over.as_mut().poll(cx),
            }
        }
    }

    /// Does this as long as the client is there; none if it went first.
    pub async fn while_it_waits<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|cx| match self.poll_gone(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => work.as_mut().poll(cx).map(Some),
        })
        .await
    }

    /// Reads what is said on a connection that requests share, and ends it if that is too much.
    fn poll_hear(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, ahead, shared: Some(shared), .. } = self else { return Poll::Pending };
        let (stream, ahead) = (own(stream), own(ahead));
        let before = into.filled().len();
        if ahead.is_empty() {
            let read = Pin::new(&mut *stream).poll_read(cx, into);
            if read.is_pending() {
                return shared.poll_late(cx).map(Err);
            }
            ready!(read)?;
        } else {
            let part = ahead.len().min(into.remaining());
            into.put_slice(&ahead[..part]);
            ahead.advance(part);
        }
        let heard = shared.hear(&into.filled()[before..]);
        if heard.is_err() {
            into.set_filled(before);
            if let Some(farewell) = shared.farewell()
                && Pin::new(&mut *stream).poll_write(cx, &farewell).is_ready()
            {
                // Whoever does not take it now goes without.
                let _ = Pin::new(stream).poll_flush(cx);
            }
        }
        Poll::Ready(heard)
    }

    /// Takes note of what was written of these parts.
    fn said<'a>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(all)) = written {
            own(&mut self.taken).moved(all);
            if let Some(shared) = &mut self.shared {
                let mut left = all;
                for part in parts {
                    let part = &part[..part.len().min(left)];
                    left -= part.len();
                    shared.say(part);
                }
            }
        }
        self.in_time(cx, written)
    }

    /// The same, unless the client takes too little of what it is sent. One that was upgraded takes what it likes.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() || own(&mut self.quiet).is_some() {
            return done;
        }
        ready!(own(&mut self.taken).poll_over(cx));
        if let Some(shared) = &self.shared {
            shared.tell(Reason::SlowReader, TAKES);
        }
        Poll::Ready(Err(too_slow(TAKES)))
    }

    fn with<R>(&self, act: impl FnOnce(Pin<&mut dyn IO>) -> Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        match self.stream.try_lock() {
            Ok(mut stream) => act(Pin::new(&mut **stream)),
            Err(TryLockError::Poisoned(stream)) => act(Pin::new(&mut **stream.into_inner())),
            Err(TryLockError::WouldBlock) => Poll::Ready(Err(io::ErrorKind::ResourceBusy.into())),
        }
    }
}

/// A client's way with a body.
fn pace(clients: &Clients) -> Pace {
    Pace::new(clients.body_timeout, clients.min_body_rate)
}

fn too_slow(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

/// What a lock holds, for its owner.
fn own<T>(lock: &mut Mutex<T>) -> &mut T {
    lock.get_mut().unwrap_or_else(PoisonError::into_inner)
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.shared.is_some() {
            return self.poll_hear(cx, into);
        }
        if self.extent.ended() {
            // Nothing more is of this request; but that the client goes, its reader must know.
            return self.poll_gone(cx).map(Ok);
        }
        let Self { stream, ahead, extent, quiet, coming, .. } = &mut *self;
        let (ahead, quiet) = (own(ahead), own(quiet));
        if !ahead.is_empty() {
            let part = ahead.len().min(into.remaining());
            let part = extent.take(&ahead[..part])?;
            into.put_slice(&ahead[..part]);
            ahead.advance(part);
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        let read = Pin::new(own(stream)).poll_read(cx, into);
        if let Some(quiet) = quiet {
            if read.is_ready() {
                quiet.broken();
            } else if quiet.poll_over(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        if let Some(coming) = coming {
            match read.is_ready() {
                true => coming.moved(into.filled().len() - before),
                false if coming.poll_over(cx).is_ready() => return Poll::Ready(Err(too_slow(SENDS))),
                false => {}
            }
        }
        ready!(read)?;
        let part = before + extent.take(&into.filled()[before..])?;
        ahead.extend_from_slice(&into.filled()[part..]);
        into.set_filled(part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(quiet) = own(&mut self.quiet) {
            quiet.broken();
        }
        let written = Pin::new(own(&mut self.stream)).poll_write(cx, bytes);
        self.said(cx, written, [bytes])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(own(&mut self.stream)).poll_flush(cx);
        if flushed.is_ready() {
            // All that waited for the client is taken.
            own(&mut self.taken).moved(usize::MAX);
        }
        self.in_time(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(own(&mut self.stream)).poll_shutdown(cx))?;
        self.poll_linger(cx).map(Ok)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(own(&mut self.stream)).poll_write_vectored(cx, parts);
        self.said(cx, written, parts.iter().map(Deref::deref))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.try_lock().is_ok_and(|stream| stream.is_write_vectored())
    }
}
