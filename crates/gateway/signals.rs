//! Signals, caught from the first moment on: one that comes while the gateway still starts is not the end of it.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::handover::successor::Successor;
use crate::life::{Life, Why};

/// What the process was told.
#[derive(Clone)]
pub struct Signals {
    /// Told by SIGHUP.
    pub hangup: Arc<Notify>,
    /// Told by SIGHUP and SIGUSR1: files that are written may have been moved.
    pub reopen: Arc<Notify>,
}

struct Caught {
    term: Signal,
    int: Signal,
    hangup: Signal,
    user: Signal,
    upgrade: Signal,
}

/// Who acts on signals.
struct Listening {
    life: Arc<Life>,
    successor: Successor,
    hangup: Arc<Notify>,
    reopen: Arc<Notify>,
}

impl Signals {
    /// Catches signals from now on, in a thread of its own.
    pub fn catch(life: Arc<Life>, successor: Successor) -> anyhow::Result<Self> {
        let [hangup, reopen] = [(); 2].map(|()| Arc::<Notify>::default());
        let (ready, caught) = sync_channel(1);
        let listening = Listening { life, successor, hangup: hangup.clone(), reopen: reopen.clone() };
        let thread = std::thread::Builder::new().name("signals".into());
        thread.spawn(move || listening.wait(&ready)).context("cannot start a thread")?;
        caught.recv().context("the thread for signals ended")?.context("signals cannot be caught")?;
        Ok(Self { hangup, reopen })
    }
}

impl Listening {
    fn wait(&self, ready: &SyncSender<std::io::Result<()>>) {
        let caught = tokio::runtime::Builder::new_current_thread().enable_io().build().and_then(|runtime| {
            let caught = runtime.block_on(async { catch() })?;
            Ok((runtime, caught))
        });
        let (runtime, mut caught) = match caught {
            Ok(caught) => caught,
            Err(error) => return drop(ready.send(Err(error))),
        };
        if ready.send(Ok(())).is_ok() {
            runtime.block_on(self.act(&mut caught));
        }
    }

    /// SIGTERM or SIGINT stops; a second one ends the process at once.
    async fn act(&self, caught: &mut Caught) {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = caught.hangup.recv() => { self.reopen.notify_one(); self.hangup.notify_one(); continue }
                _ = caught.user.recv() => { self.reopen.notify_one(); continue }
                _ = caught.upgrade.recv() => { self.successor.start(); continue }
                _ = caught.term.recv() => {}
                _ = caught.int.recv() => {}
            }
            if std::mem::replace(&mut asked, true) {
                tracing::warn!("stopped at once by a second signal");
                std::process::exit(130);
            }
            self.life.stop(Why::Asked);
        }
    }
}

/// Signals are caught once this was called in a runtime.
fn catch() -> std::io::Result<Caught> {
    Ok(Caught {
        term: signal(SignalKind::terminate())?,
        int: signal(SignalKind::interrupt())?,
        hangup: signal(SignalKind::hangup())?,
        user: signal(SignalKind::user_defined1())?,
        upgrade: signal(SignalKind::user_defined2())?,
    })
}
