//! The request as bytes for the upstream: what the client said, with what the upstream is told in its place.

use std::ops::Range;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::request::Parts;
use pingora_core::{Error, ErrorType, Result};
use sluice_plugins::UpstreamRequest;
use smallvec::SmallVec;

use crate::ctx::Ctx;
use crate::forward::{Told, rewrite, without_argument};
use crate::visit::Visit;

/// Writes the request that the upstream gets.
pub(super) fn write(visit: &Visit<'_>, ctx: &Ctx) -> Result<Vec<u8>> {
    let mut lines =
        Lines { target: ctx.target.clone(), bytes: Vec::with_capacity(512), set: SmallVec::new(), gone: SmallVec::new() };
    rewrite(visit, ctx, &mut lines)?;
    let said = visit.request;
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(said.method.as_str().as_bytes());
    out.push(b' ');
    if !lines.target.iter().all(|byte| byte.is_ascii_graphic() || !byte.is_ascii()) {
        return Err(Error::explain(ErrorType::InvalidHTTPHeader, "the path for the upstream"));
    }
    out.extend_from_slice(&lines.target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    out.extend_from_slice(&lines.bytes);
    for (name, value) in &said.headers {
        if *name != CONNECTION && !lines.replaces(name.as_str()) {
            put(&mut out, name.as_str(), value.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

fn put(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The lines that stand in place of the client's.
struct Lines {
    target: Bytes,
    bytes: Vec<u8>,
    /// Where in the bytes lines and their names are.
    set: SmallVec<[(Range<usize>, usize); 16]>,
    /// Names whose lines do not go on.
    gone: SmallVec<[HeaderName; 4]>,
}

impl Lines {
    fn name_of(&self, (line, name): &(Range<usize>, usize)) -> &[u8] {
        &self.bytes[line.start..line.start + name]
    }

    fn replaces(&self, name: &str) -> bool {
        self.set.iter().any(|line| self.name_of(line) == name.as_bytes()) || self.gone.iter().any(|gone| gone == name)
    }

    fn forget(&mut self, name: &HeaderName) {
        let Some(at) = self.set.iter().position(|line| self.name_of(line) == name.as_str().as_bytes()) else { return };
        let (line, _) = self.set.remove(at);
        let length = line.len();
        self.bytes.drain(line);
        for (later, _) in &mut self.set[at..] {
            *later = later.start - length..later.end - length;
        }
    }
}

impl Told for Lines {
    fn tell(&mut self, name: &HeaderName, value: &[u8]) -> Result<()> {
        let start = self.bytes.len();
        put(&mut self.bytes, name.as_str(), value);
        self.set.push((start..self.bytes.len(), name.as_str().len()));
        Ok(())
    }

    fn withhold(&mut self, name: &HeaderName) {
        self.forget(name);
        self.gone.push(name.clone());
    }
}

impl UpstreamRequest for Lines {
    fn set_header(&mut self, name: &HeaderName, value: HeaderValue) {
        self.forget(name);
        // Writing to memory does not fail.
        let _ = self.tell(name, value.as_bytes());
    }

    fn remove_header(&mut self, name: &HeaderName) {
        self.withhold(name);
    }

    fn remove_query(&mut self, name: &str) {
        let Ok(target) = std::str::from_utf8(&self.target) else { return };
        if let Some(without) = without_argument(target, name) {
            self.target = Bytes::from(without);
        }
    }

    fn whole(&mut self) -> Option<&mut Parts> {
        None
    }
}
