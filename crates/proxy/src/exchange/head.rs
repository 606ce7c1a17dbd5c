//! The head of an upstream's answer, read strictly and written again for the client.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Response, Status};
use pingora_core::Result;
use smallvec::SmallVec;

use super::body::{Coding, Framing};
use super::invalid;
use crate::answer::{self, Lines};
use crate::answers;
use crate::ctx::Ctx;
use crate::upgrade::unasked;
use crate::visit::Visit;

/// How many lines a head may have.
const MOST_LINES: usize = 256;

/// A head, read and written again.
pub(super) struct Head {
    /// How long it was.
    pub length: usize,
    /// What the client is sent.
    pub bytes: Vec<u8>,
    pub status: u16,
    /// Another one follows.
    pub interim: bool,
    pub framing: Framing,
    pub coding: Coding,
    pub upstream_may_stay: bool,
    pub client_may_stay: bool,
}

/// Reads a head and writes it again. None: it has not arrived whole.
pub(super) fn translate(bytes: &[u8], visit: &Visit<'_>, ctx: &mut Ctx) -> Result<Option<Head>> {
    let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; MOST_LINES];
    let mut head = Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut head, bytes, &mut room);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(_) => return Err(invalid("its head is broken")),
    };
    let (status, reason) = (head.code.unwrap_or_default(), head.reason.unwrap_or_default());
    if status < 100 {
        return Err(invalid("its status is none"));
    }
    let modern = visit.is_modern();
    if (100..200).contains(&status) {
        if status == 101 {
            return Err(unasked());
        }
        return interim(&head, status, length, modern).map(Some);
    }
    let said = Said::read(&head)?;
    let (framing, upstream_may_stay) = said.framing(visit.request.method == http::Method::HEAD, status)?;
    let coded = modern && matches!(framing, Framing::Chunked | Framing::Close);
    let client_may_stay = visit.stays() && (modern || !matches!(framing, Framing::Chunked | Framing::Close));
    let mut lines = Lines::begin(status, reason.as_bytes());
    let latencies = answer::latencies(ctx);
    let left = &ctx.memory.response_headers;
    let passed = head.headers.iter().filter(|header| !said.is_between(header.name)).map(|header| (header.name, header.value));
    if answers::may_change(ctx) {
        let mut changed = answers::head_of(status, passed, ctx)?;
        answers::change(visit.request, ctx, &mut changed)?;
        changed.fields().iter().for_each(|(name, value)| lines.line(name, value.as_bytes()));
    } else {
        passed.filter(|(name, _)| !answer::is_ours(name, left)).for_each(|(name, value)| lines.line(name.as_bytes(), value));
        lines.0.extend_from_slice(left.bytes());
    }
    // Of an answer without a body it is what a body would have.
    if let Some(length) = said.length
        && !said.chunked
        && status != 204
    {
        lines.number_line(b"Content-Length", length);
    } else if coded {
        lines.line(b"Transfer-Encoding", b"chunked");
    }
    if let Some(cookie) = &ctx.tries.cookie {
        lines.line(b"Set-Cookie", cookie.as_bytes());
    }
    latencies.into_iter().for_each(|(name, millis)| lines.number_line(name.as_bytes(), millis));
    lines.line(b"X-Request-Id", ctx.id.as_str().as_bytes());
    lines.line(b"Via", answer::VIA.as_bytes());
    let coding = if coded { Coding::Chunked } else { Coding::Plain };
    let bytes = lines.end(client_may_stay);
    Ok(Some(Head { length, bytes, status, interim: false, framing, coding, upstream_may_stay, client_may_stay }))
}

/// An early head, such as 103, goes to clients that know what it is.
fn interim(head: &Response<'_, '_>, status: u16, length: usize, modern: bool) -> Result<Head> {
    let mut bytes = Vec::new();
    if modern && status != 100 {
        let mut lines = Lines::begin(status, head.reason.unwrap_or_default().as_bytes());
        let said = Said::read(head)?;
        let kept = head.headers.iter().filter(|header| !said.is_between(header.name));
        kept.for_each(|header| lines.line(header.name.as_bytes(), header.value));
        bytes = lines.0;
        bytes.extend_from_slice(b"\r\n");
    }
    let (framing, coding) = (Framing::Nothing, Coding::Plain);
    Ok(Head { length, bytes, status, interim: true, framing, coding, upstream_may_stay: true, client_may_stay: true })
}

/// What a head says of its body and of the connection.
struct Said<'h> {
    length: Option<u64>,
    chunked: bool,
    modern: bool,
    keep_alive: bool,
    /// Whether Connection names more than what becomes of the connection.
    nominates: bool,
    /// The values of Connection, in whose lists other headers are named.
    connection: SmallVec<[&'h [u8]; 2]>,
}

impl<'h> Said<'h> {
    fn read(head: &Response<'_, 'h>) -> Result<Self> {
        let modern = head.version == Some(1);
        let mut said =
            Self { length: None, chunked: false, modern, keep_alive: modern, nominates: false, connection: SmallVec::new() };
        for header in &*head.headers {
            match header.name.len() {
                10 if header.name.eq_ignore_ascii_case("connection") => {
                    said.nominates |= ![&b"close"[..], b"keep-alive"].iter().any(|word| header.value.eq_ignore_ascii_case(word));
                    said.connection.push(header.value);
                }
                14 if header.name.eq_ignore_ascii_case("content-length") => said.add_length(header.value)?,
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                    // Another coding would have to be undone, and a second line is another coding.
                    if said.chunked || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                        return Err(invalid("its body is in a coding that is not chunked"));
                    }
                    said.chunked = true;
                }
                _ => {}
            }
        }
        if said.names("close") {
            said.keep_alive = false;
        } else if said.names("keep-alive") {
            said.keep_alive = true;
        }
        Ok(said)
    }

    /// The same length may be said more than once.
    fn add_length(&mut self, value: &[u8]) -> Result<()> {
        for one in value.split(|byte| *byte == b',') {
            let one = one.trim_ascii();
            let digits = !one.is_empty() && one.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(one).ok().filter(|_| digits).and_then(|digits| digits.parse().ok());
            match (length, self.length) {
                (Some(length), None) => self.length = Some(length),
                (Some(length), Some(before)) if length == before => {}
                _ => return Err(invalid("its Content-Length is no length, or two")),
            }
        }
        Ok(())
    }

    /// How the body ends (RFC 9112, 6.3), and whether the connection can be used again after it.
    fn framing(&self, head_only: bool, status: u16) -> Result<(Framing, bool)> {
        // Chunks with a length, or from those who know no chunks, are how answers are smuggled.
        let may_stay = self.keep_alive && !(self.chunked && (self.length.is_some() || !self.modern));
        Ok(match (self.chunked, self.length) {
            _ if head_only || matches!(status, 204 | 304) => (Framing::Nothing, may_stay),
            (true, _) => (Framing::Chunked, may_stay),
            (false, Some(length)) => (Framing::Length(length), may_stay),
            (false, None) => (Framing::Close, false),
        })
    }

    fn names(&self, name: &str) -> bool {
        let tokens = self.connection.iter().flat_map(|value| value.split(|byte| *byte == b','));
        tokens.map(<[u8]>::trim_ascii).any(|token| token.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Whether a header is between the upstream and us, or written again by us.
    fn is_between(&self, name: &str) -> bool {
        is_hop_by_hop(name) || (self.nominates && self.names(name))
    }
}

fn is_hop_by_hop(name: &str) -> bool {
    match name.len() {
        10 => name.eq_ignore_ascii_case("connection") || name.eq_ignore_ascii_case("keep-alive"),
        14 => name.eq_ignore_ascii_case("content-length"),
        17 => name.eq_ignore_ascii_case("transfer-encoding"),
        _ => false,
    }
}
