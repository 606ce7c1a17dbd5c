//! Signals, caught from the first moment on: one that comes while the gateway still starts is not the end of it.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use anyhow::Context;
use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};

/// What the process was told.
#[derive(Clone)]
pub struct Signals {
    stop: watch::Receiver<bool>,
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
}

impl Signals {
    /// Catches signals from now on, in a thread of its own.
    pub fn catch() -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let [hangup, reopen] = [(); 2].map(|()| Arc::<Notify>::default());
        let (ready, caught) = sync_channel(1);
        let told = [hangup.clone(), reopen.clone()];
        let thread = std::thread::Builder::new().name("signals".into());
        thread.spawn(move || wait(&ready, &stop, &told)).context("cannot start a thread")?;
        caught.recv().context("the thread for signals ended")?.context("signals cannot be caught")?;
        Ok(Self { stop: stopped, hangup, reopen })
    }
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_err() {
            return std::future::pending().await;
        }
        ShutdownSignal::GracefulTerminate
    }
}

/// SIGTERM or SIGINT stops; a second one ends the process at once.
fn wait(ready: &SyncSender<std::io::Result<()>>, stop: &watch::Sender<bool>, [hangup, reopen]: &[Arc<Notify>; 2]) {
    let caught = tokio::runtime::Builder::new_current_thread().enable_io().build().and_then(|runtime| {
        let caught = runtime.block_on(async {
            let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::user_defined1()];
            let [term, int, hangup, user] = kinds.map(signal);
            std::io::Result::Ok(Caught { term: term?, int: int?, hangup: hangup?, user: user? })
        })?;
        Ok((runtime, caught))
    });
    let (runtime, mut caught) = match caught {
        Ok(caught) => caught,
        Err(error) => return drop(ready.send(Err(error))),
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    runtime.block_on(async {
        loop {
            tokio::select! {
                _ = caught.hangup.recv() => { reopen.notify_one(); hangup.notify_one(); continue }
                _ = caught.user.recv() => { reopen.notify_one(); continue }
                _ = caught.term.recv() => {}
                _ = caught.int.recv() => {}
            }
            if stop.send_replace(true) {
                tracing::warn!("stopped at once by a second signal");
                std::process::exit(130);
            }
            tracing::info!("stopping: no more requests are accepted, those under way end");
        }
    });
}
