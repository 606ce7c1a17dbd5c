//! What is known of a client's connection of HTTP/2 beside its requests: h2 ends some floods by itself, and takes others.

use std::fmt::Display;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pingora_core::protocols::raw_connect::ProxyDigest;
use tokio::time::{Sleep, sleep};

use crate::allowance::Allowance;
use crate::caller::Caller;
use crate::complaints::Reason;
use crate::frames::{Frame, Frames, GOAWAY};
use crate::traffic::Traffic;

/// Names of what a GOAWAY says (RFC 9113, 7).
const ERRORS: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];
const ENHANCE_YOUR_CALM: u8 = 11;

/// A connection that its requests share.
pub(crate) struct Shared {
    /// The caller as those requests find him.
    pub caller: Arc<ProxyDigest>,
    client: IpAddr,
    /// Many come by his address: what one does is not held against the others.
    many: bool,
    traffic: Arc<Traffic>,
    /// What the client has yet to begin with.
    preface: &'static [u8],
    heard: Frames,
    said: Frames,
    allowance: Allowance,
    /// The last stream that the client named.
    last: u32,
    /// What it said, or was told, too much.
    flood: Option<Frame>,
    /// Until when it must have begun.
    introduction: Option<Pin<Box<Sleep>>>,
}

impl Shared {
    /// Nothing was said on it yet; the client has so long to begin, and has flooded so often lately. `many`: it is one of our
    /// own proxies, for many.
    pub fn new((caller, patience): (&Arc<Caller>, Duration), traffic: &Arc<Traffic>, many: bool, floods: u32) -> Self {
        Self {
            caller: caller.packed(),
            client: caller.peer,
            many,
            traffic: traffic.clone(),
            preface: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            heard: Frames::default(),
            said: Frames::default(),
            allowance: Allowance::after(floods),
            last: 0,
            flood: None,
            introduction: Some(Box::pin(sleep(patience))),
        }
    }

    /// The client says this. An error: it has said too much, or what is no HTTP/2.
    pub fn hear(&mut self, bytes: &[u8]) -> io::Result<()> {
        let part = bytes.len().min(self.preface.len());
        let (expected, rest) = self.preface.split_at(part);
        if *expected != bytes[..part] {
            self.tell(Reason::BadFrames, "no preface of HTTP/2");
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no preface of HTTP/2"));
        }
        self.preface = rest;
        let bytes = &bytes[part..];
        let Self { heard, allowance, last, flood, introduction, .. } = self;
        heard.pass(bytes, |frame| {
            *introduction = None;
            *last = frame.stream.max(*last);
            if flood.is_none() && !allowance.hear(frame) {
                *flood = Some(*frame);
            }
        });
        let Some(frame) = self.flood else { return Ok(()) };
        self.tell(Reason::Flood, format_args!("{} frames", frame.name()));
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "a flood of frames"))
    }

    /// The client is told this.
    pub fn say(&mut self, bytes: &[u8]) {
        let Self { said, allowance, flood, .. } = self;
        let mut end = None;
        said.pass(bytes, |frame| {
            if !allowance.say(frame) {
                *flood = Some(*frame);
            }
            end = end.or((frame.kind == GOAWAY && frame.error != 0).then_some(frame.error));
        });
        if let Some(error) = end {
            let reason = if error == u32::from(ENHANCE_YOUR_CALM) { Reason::Flood } else { Reason::BadFrames };
            self.tell(reason, ERRORS.get(error as usize).unwrap_or(&"an unknown error"));
        }
    }

    /// Ready when a client that says nothing should have begun.
    pub fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(introduction) = &mut self.introduction else { return Poll::Pending };
        ready!(introduction.as_mut().poll(cx));
        self.tell(Reason::SlowHead, "no preface of HTTP/2");
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// What is said to a client that has said too much, if something can be said now: GOAWAY.
    pub fn farewell(&self) -> Option<[u8; 17]> {
        let [a, b, c, d] = self.last.to_be_bytes();
        let goaway = [0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, ENHANCE_YOUR_CALM];
        (self.flood.is_some() && self.said.are_whole()).then_some(goaway)
    }

    /// Tells of what the client did.
    pub fn tell(&self, reason: Reason, detail: impl Display) {
        if reason == Reason::Flood && !self.many {
            self.traffic.floods.add(self.client);
        }
        self.traffic.complaints().tell(self.client, reason, detail);
    }
}

#[cfg(test)]
mod tests {
    use sluice_config::Clients;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;
    use crate::connection::Connection;

    /// Our end of a connection that takes so much on its way, the client's end, and what is counted.
    fn connection(room: usize) -> (Connection, DuplexStream, Arc<Traffic>) {
        let traffic = Arc::default();
        let (connection, client) = another(&traffic, room, false);
        (connection, client, traffic)
    }

    fn another(traffic: &Arc<Traffic>, room: usize, many: bool) -> (Connection, DuplexStream) {
        let (ours, client) = duplex(room);
        let mut connection = Connection::new(Box::new(ours), None, Clients::default());
        connection.share(traffic, many);
        (connection, client)
    }

    fn told(traffic: &Traffic) -> Vec<(Reason, u64)> {
        traffic.complaints().counts().filter(|(_, count)| *count > 0).collect()
    }

    /// A client's preface, and many PINGs.
    fn flood() -> Vec<u8> {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend([0, 0, 5, 2, 0, 0, 0, 0, 7, 0, 0, 0, 0, 1]);
        bytes.extend(b"\0\0\x08\x06\0\0\0\0\0whatever".repeat(8000));
        bytes
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_ends_with_a_farewell_unless_that_would_be_in_the_middle_of_something() {
        for said in [&b""[..], b"\0\0\0\x04\x01\0\0\0\0", b"\0\0\0\x04"] {
            let (mut connection, mut client, traffic) = connection(1 << 20);
            connection.write_all(said).await.expect("there is room");
            client.write_all(&flood()).await.expect("there is room");
            let mut heard = Vec::new();
            let error = connection.read_to_end(&mut heard).await.expect_err("a flood");
            assert_eq!((error.kind(), told(&traffic)), (io::ErrorKind::ConnectionAborted, vec![(Reason::Flood, 1)]));
            drop(connection);
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.expect("an end");
            let farewell = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x07\0\0\0\x0b";
            let expected = if said.len() == 4 { said.to_vec() } else { [said, farewell].concat() };
            assert_eq!(answer, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_floods_again_is_cut_off_earlier_unless_he_speaks_for_many() {
        for many in [false, true] {
            let traffic = Arc::default();
            let mut passed = Vec::new();
            for _ in 0..3 {
                let (mut connection, mut client) = another(&traffic, 1 << 20, many);
                client.write_all(&flood()).await.expect("there is room");
                let (mut heard, mut piece) = (0, [0; 170]);
                while let Ok(more @ 1..) = connection.read(&mut piece).await {
                    heard += more;
                }
                passed.push(heard);
            }
            let less = passed[1] < passed[0] * 2 / 3 && passed[2] < passed[1] * 2 / 3;
            assert_eq!(less, !many, "{passed:?}");
            assert!(many || told(&traffic) == [(Reason::Flood, 3)]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_nothing_is_cut_off() {
        let (mut connection, mut client, traffic) = connection(1000);
        let began = Instant::now();
        let slow = tokio::spawn(async move {
            sleep(Clients::default().body_timeout / 2).await;
            client.read_exact(&mut [0; 1000]).await.expect("something");
            client
        });
        let error = connection.write_all(&[0; 10_000]).await.expect_err("nothing is taken");
        assert_eq!((error.kind(), told(&traffic)), (io::ErrorKind::TimedOut, vec![(Reason::SlowReader, 1)]));
        assert!(began.elapsed() > Clients::default().body_timeout);
        drop(slow);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_never_begins_is_cut_off() {
        let (mut connection, mut client, traffic) = connection(100);
        client.write_all(&flood()[..30]).await.expect("there is room");
        let error = connection.read_to_end(&mut Vec::new()).await.expect_err("nothing comes");
        assert_eq!((error.kind(), told(&traffic)), (io::ErrorKind::TimedOut, vec![(Reason::SlowHead, 1)]));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_begins_with_something_else_is_cut_off_however_it_comes() {
        for piece in [1, 7, 24, 100] {
            let (mut connection, mut client, traffic) = connection(100);
            let mut said = flood()[..40].to_vec();
            said[23] = b'?';
            let hears = tokio::spawn(async move { connection.read_to_end(&mut Vec::new()).await });
            for piece in said.chunks(piece) {
                // From where it is wrong nobody listens.
                let _ = client.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            assert_eq!(client.read(&mut [0; 1]).await.ok(), Some(0), "nothing is said to it");
            let error = hears.await.expect("it ends").expect_err("no preface");
            assert_eq!((error.kind(), told(&traffic)), (io::ErrorKind::InvalidData, vec![(Reason::BadFrames, 1)]));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_h2_ends_is_told_by_its_reason() {
        for (error, expected) in
            [(0, None), (1, Some(Reason::BadFrames)), (9, Some(Reason::BadFrames)), (11, Some(Reason::Flood))]
        {
            let (mut connection, _client, traffic) = connection(100);
            let goaway = [0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, error];
            for part in goaway.chunks(5) {
                connection.write_all(part).await.expect("there is room");
            }
            assert_eq!(told(&traffic), Vec::from_iter(expected.map(|reason| (reason, 1))), "{error}");
        }
    }
}
