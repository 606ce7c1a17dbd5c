//! The new process: it asks for the listeners, says when it accepts, and then has the place of the old one.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

use super::wire::{ASK, DONE, READY, YOURS, expect, receive_listeners};
use crate::listeners::Listener;
use crate::place::Place;

/// How long the old process may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A handover under way. If it is dropped, the old process serves on.
pub struct Taker(BufReader<UnixStream>);

impl Taker {
    /// Asks the process of this place for its listeners.
    pub fn ask(place: &Place) -> anyhow::Result<(Self, Vec<Listener>)> {
        let path = place.socket();
        let none = || format!("no gateway to take over from ({}); start this one without --upgrade", path.display());
        let stream = UnixStream::connect(&path).with_context(none)?;
        let ours = rustix::process::geteuid().as_raw();
        let owner = std::fs::metadata(&path).with_context(none)?.uid();
        if owner != ours {
            bail!("the gateway of {} is of user {owner}; upgrade it as this user, not as {ours}", path.display());
        }
        let listeners = converse(&stream).context("the running gateway does not hand its listeners over")?;
        let listeners = listeners.map_err(|reason| anyhow!("the running gateway does not hand its listeners over: {reason}"))?;
        Ok((Self(BufReader::new(stream)), listeners))
    }

    /// Says that everything is accepted here. The place is ours then.
    pub fn ready(&mut self) -> io::Result<()> {
        say(self.0.get_ref(), READY)?;
        let mut line = String::new();
        let read = self.0.read_line(&mut line)?;
        expect((read > 0).then(|| line.trim_end()), YOURS)
    }

    /// Lets the old process go.
    pub fn done(self) -> io::Result<()> {
        say(self.0.get_ref(), DONE)
    }
}

fn converse(stream: &UnixStream) -> io::Result<Result<Vec<Listener>, String>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    say(stream, ASK)?;
    receive_listeners(stream).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            io::Error::other(format!("no answer within {PATIENCE:?}; another process may be taking over"))
        }
        _ => error,
    })
}

fn say(mut stream: &UnixStream, word: &str) -> io::Result<()> {
    stream.write_all(format!("{word}\n").as_bytes())
}
