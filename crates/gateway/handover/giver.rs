//! The old process: it hands its listeners over to whoever may have them, and stops once they are served by him.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::wire::{ASK, DONE, READY, REFUSED, YOURS, expect, send};
use crate::life::{Life, Why};
use crate::listeners::Listeners;
use crate::place::Place;
use crate::stop::begun;

/// How long the new process may take for its next word.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to start.
const START: Duration = Duration::from_secs(60);
/// No word is longer.
const LONGEST: u64 = 256;

/// Waits for a successor.
pub struct Giver {
    pub life: Arc<Life>,
    pub listeners: Arc<Listeners>,
    pub place: Arc<Place>,
    /// The socket, once the place is this process's.
    pub socket: tokio::sync::Mutex<tokio::sync::oneshot::Receiver<std::os::unix::net::UnixListener>>,
}

#[async_trait]
impl BackgroundService for Giver {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            served = self.serve() => if let Err(error) = served {
                tracing::error!(%error, "no other process can take over from this one");
            },
            () = begun(&mut shutdown) => {}
        }
    }
}

impl Giver {
    async fn serve(&self) -> io::Result<()> {
        // Without a place there is nobody to wait for.
        let Ok(socket) = (&mut *self.socket.lock().await).await else { return Ok(()) };
        let mut socket = listen(socket)?;
        loop {
            let (stream, _) = socket.accept().await?;
            match self.hand_over(stream).await {
                // Somebody looked whether this process lives.
                Ok(None) => {}
                Ok(Some(pid)) => {
                    self.life.stop(Why::Replaced);
                    tracing::info!(pid, "another process has taken over");
                    return Ok(());
                }
                Err(error) => {
                    tracing::warn!("the new process did not take over, this one serves on: {error}");
                    self.listeners.own();
                    if let Some(again) = self.place.own_again()? {
                        socket = listen(again)?;
                    }
                }
            }
        }
    }

    /// Hands the listeners over. The process that has them then, or none if it did not even ask.
    async fn hand_over(&self, stream: UnixStream) -> io::Result<Option<i32>> {
        let (peer, ours) = (stream.peer_cred()?, rustix::process::geteuid().as_raw());
        if peer.uid() != ours {
            return Err(io::Error::other(format!("the listeners are for user {ours} only, and user {} asked", peer.uid())));
        }
        let mut talk = BufReader::new(stream);
        let Some(asked) = hear(&mut talk, PATIENCE).await? else { return Ok(None) };
        if let Err(error) = expect(Some(&asked), ASK) {
            say(&mut talk, &format!("{REFUSED}it is of another version of Sluice")).await?;
            return Err(error);
        }
        if self.life.is_stopping() {
            say(&mut talk, &format!("{REFUSED}it is stopping already")).await?;
            return Err(io::Error::other("it came when this one was stopping"));
        }
        let socket = talk.get_ref();
        socket.async_io(Interest::WRITABLE, || self.listeners.with(|all| send(socket, all))).await?;
        expect(hear(&mut talk, START).await?.as_deref(), READY)?;
        self.place.give_up();
        self.listeners.give_up();
        say(&mut talk, YOURS).await?;
        expect(hear(&mut talk, PATIENCE).await?.as_deref(), DONE)?;
        Ok(Some(peer.pid().unwrap_or_default()))
    }
}

fn listen(socket: std::os::unix::net::UnixListener) -> io::Result<UnixListener> {
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket)
}

/// The next line; none if there is nobody left.
async fn hear(talk: &mut BufReader<UnixStream>, patience: Duration) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = timeout(patience, talk.take(LONGEST).read_line(&mut line)).await;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("it said nothing for {patience:?}"));
    Ok((read.map_err(late)?? > 0).then(|| line.trim_end().to_owned()))
}

async fn say(talk: &mut BufReader<UnixStream>, word: &str) -> io::Result<()> {
    talk.write_all(format!("{word}\n").as_bytes()).await
}
