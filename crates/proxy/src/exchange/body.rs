//! The body of an answer on its way: how it ends where it comes from, and how its end is told to the client.

use std::io::Write;

use crate::chunks::Chunks;

/// How a body ends where it comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Framing {
    /// There is none.
    Nothing,
    /// After so many bytes.
    Length(u64),
    /// After its last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// How the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// It knows the length, or waits for the end of the connection.
    Plain,
    Chunked,
}

pub(super) struct Body {
    state: State,
    coding: Coding,
    /// How many of its bytes were read.
    pub passed: u64,
}

enum State {
    Left(u64),
    Chunks(Chunks),
    UntilClose,
    Ended,
}

impl Body {
    pub fn new(framing: Framing, coding: Coding) -> Self {
        let state = match framing {
            Framing::Nothing | Framing::Length(0) => State::Ended,
            Framing::Length(length) => State::Left(length),
            Framing::Chunked => State::Chunks(Chunks::new()),
            Framing::Close => State::UntilClose,
        };
        Self { state, coding, passed: 0 }
    }

    pub fn ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Whether its bytes go to the client as they come.
    pub fn as_it_is(&self) -> bool {
        self.coding == Coding::Plain && matches!(self.state, State::Left(_) | State::UntilClose)
    }

    /// How many of so many bytes are of this body; they count as passed on.
    pub fn part(&mut self, length: usize) -> usize {
        let part = match &mut self.state {
            State::Left(left) => {
                let part = usize::try_from(*left).unwrap_or(usize::MAX).min(length);
                *left -= part as u64;
                if *left == 0 {
                    self.state = State::Ended;
                }
                part
            }
            State::UntilClose => length,
            State::Chunks(_) | State::Ended => 0,
        };
        self.passed += part as u64;
        part
    }

    /// Appends what is read of it to `out`, as the client is told. How many bytes were of this body.
    pub fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, &'static str> {
        let State::Chunks(chunks) = &mut self.state else {
            let part = self.part(bytes.len());
            self.put(&bytes[..part], out);
            return Ok(part);
        };
        let (coding, passed) = (self.coding, &mut self.passed);
        let read = chunks.read(bytes, |data| {
            *passed += data.len() as u64;
            put(coding, data, out);
        })?;
        if chunks.ended() {
            self.state = State::Ended;
        }
        Ok(read)
    }

    fn put(&self, data: &[u8], out: &mut Vec<u8>) {
        put(self.coding, data, out);
    }

    /// The upstream has closed its connection.
    pub fn closed(&mut self) -> Result<(), &'static str> {
        match self.state {
            State::UntilClose => {
                self.state = State::Ended;
                Ok(())
            }
            State::Left(_) | State::Chunks(_) => Err("in the middle of its answer"),
            State::Ended => Ok(()),
        }
    }

    /// Appends the end.
    pub fn finish(&self, out: &mut Vec<u8>) {
        if self.coding == Coding::Chunked {
            out.extend_from_slice(b"0\r\n\r\n");
        }
    }

    /// How much room the next read should have: more for what is long.
    pub fn room(&self) -> usize {
        match self.state {
            State::Left(left) => usize::try_from(left).unwrap_or(usize::MAX).clamp(1024, 64 * 1024),
            _ => 16 * 1024,
        }
    }
}

fn put(coding: Coding, data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    if coding == Coding::Plain {
        return out.extend_from_slice(data);
    }
    // Writing to memory does not fail.
    let _ = write!(out, "{:x}\r\n", data.len());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}
