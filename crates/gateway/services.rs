//! What runs beside the proxy, each a Pingora service with a runtime of its own: no hook and no admin slows a request.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use sluice_admin::Listener;
use sluice_events::Bus;
use sluice_hooks::Engine;
use sluice_plugins::Limiters;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};

use crate::access_log::AccessLog;
use crate::control::{Control, Origin};
use crate::expiry::Expiry;
use crate::listeners::Socket;
use crate::prepared::now;
use crate::priority::give_way;
use crate::renewal::Renewal;
use crate::run::Ended;
use crate::signals::Signals;
use crate::stop::{Farewell, begun, drained};

/// How often limiters drop keys at rest, and the ends of certificates are looked at.
const SWEEP: Duration = Duration::from_secs(10);
/// How often the files of certificates are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// The hook engine. It goes on until the last request has ended, and then delivers or keeps what waits.
pub struct Hooks {
    pub engine: Arc<Engine>,
    pub drained: watch::Receiver<bool>,
    pub done: std::sync::mpsc::SyncSender<Ended>,
}

#[async_trait]
impl BackgroundService for Hooks {
    async fn start(&self, _shutdown: ShutdownWatch) {
        // Hooks are prompt where there is time, and late before a request is.
        give_way();
        self.engine.run(drained(self.drained.clone())).await;
        // Whoever waits may be gone by now, and then nobody needs to know.
        let _ = self.done.send(Ok(()));
    }
}

/// The Admin API.
pub struct Admin {
    pub listeners: Mutex<Vec<Socket>>,
    pub router: axum::Router,
    pub farewell: Farewell,
}

#[async_trait]
impl BackgroundService for Admin {
    async fn start(&self, shutdown: ShutdownWatch) {
        let sockets = std::mem::take(&mut *self.listeners.lock().unwrap_or_else(PoisonError::into_inner));
        let listeners: Vec<Listener> = sockets.into_iter().filter_map(|socket| usable(admin_listener(socket))).collect();
        // Until then a process that is being replaced answers.
        self.farewell.life.started().await;
        let mut serving = JoinSet::new();
        for listener in listeners {
            // Whoever asks in a stop whether the gateway is ready is told no, and not left without an answer.
            let stop = self.farewell.clone().said(shutdown.clone());
            serving.spawn(sluice_admin::serve(listener, self.router.clone(), stop));
        }
        while let Some(ended) = serving.join_next().await {
            if let Ok(Err(error)) = ended {
                tracing::error!(%error, "the Admin API ended");
            }
        }
    }
}

/// The upstream of `sluice demo`.
pub struct Httpbin {
    pub listener: Mutex<Option<std::net::TcpListener>>,
    pub farewell: Farewell,
}

#[async_trait]
impl BackgroundService for Httpbin {
    async fn start(&self, shutdown: ShutdownWatch) {
        let Some(listener) = take(&self.listener) else { return };
        // It goes last: requests under way are on their way to it.
        let stop = self.farewell.clone().said(shutdown);
        if let Err(error) = sluice_httpbin::serve(listener, stop).await {
            tracing::error!(%error, "the demo's upstream ended");
        }
    }
}

/// What is done from time to time, and on SIGHUP and SIGUSR1.
pub struct Housekeeping {
    pub control: Arc<Control>,
    pub limiters: Arc<Limiters>,
    pub access_log: Arc<AccessLog>,
    pub signals: Signals,
    pub bus: Arc<Bus>,
}

#[async_trait]
impl BackgroundService for Housekeeping {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let (mut sweep, mut look) = (interval(SWEEP), interval(LOOK));
        let (mut expiry, mut renewal) = (Expiry::new(&self.bus), Renewal::default());
        loop {
            tokio::select! {
                () = begun(&mut shutdown) => return,
                () = self.signals.reopen.notified() => self.access_log.reopen(),
                () = self.signals.hangup.notified() => self.control.reload(Origin::Signal),
                _ = sweep.tick() => {
                    self.limiters.sweep();
                    self.access_log.tell_dropped();
                    expiry.look(&self.control.config(), i64::try_from(now()).unwrap_or(i64::MAX));
                }
                _ = look.tick() => {
                    if renewal.look(&self.control.config()) {
                        self.control.renew();
                    }
                }
            }
        }
    }
}

fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn take(listener: &Mutex<Option<std::net::TcpListener>>) -> Option<TcpListener> {
    let listener = listener.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    usable(TcpListener::from_std(listener))
}

fn admin_listener(socket: Socket) -> io::Result<Listener> {
    match socket {
        Socket::Tcp(listener) => TcpListener::from_std(listener).map(Listener::Tcp),
        Socket::Unix(listener) => UnixListener::from_std(listener).map(Listener::Unix),
    }
}

fn usable<T>(listener: io::Result<T>) -> Option<T> {
    listener.inspect_err(|error| tracing::error!(%error, "a listener cannot be used")).ok()
}
