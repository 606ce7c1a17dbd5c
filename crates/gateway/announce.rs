//! The end of a start: everything listens, so others may know of this process, and people of what they can try.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use sluice_config::{Config, ListenAt};
use tokio::sync::oneshot;

use crate::handover::taker::Taker;
use crate::life::Life;
use crate::listeners::{Listeners, proxies};
use crate::place::Place;
use crate::run::Ended;

/// How long the proxy may take to come up.
const COME_UP: Duration = Duration::from_secs(10);

/// What is there to be told.
pub struct Announcement {
    pub config: Config,
    pub demo: Option<SocketAddr>,
    pub life: Arc<Life>,
    pub place: Arc<Place>,
    pub listeners: Arc<Listeners>,
    /// The process to take over from.
    pub taker: Option<Taker>,
    /// Told when the proxy accepts.
    pub up: Receiver<()>,
    /// Who waits for a successor.
    pub socket: oneshot::Sender<UnixListener>,
}

impl Announcement {
    /// Waits until the proxy accepts, and tells of it. If it does not, the gateway ends.
    pub fn make(self) -> Ended {
        let Self { config, demo, life, place, listeners, taker, up, socket } = self;
        up.recv_timeout(COME_UP).map_err(|_| format!("the proxy does not accept after {COME_UP:?}"))?;
        let before = taker.is_some();
        if let Some(owned) = take_place(&place, taker)? {
            // Without a runtime that goes on, the gateway stops already.
            let _ = socket.send(owned);
        }
        listeners.own();
        life.ready();
        tell(&config, demo);
        if before {
            tracing::info!("took over from the process before");
        }
        Ok(())
    }
}

/// Makes the place this process's. It serves without one too, but nobody can take over from it.
fn take_place(place: &Place, taker: Option<Taker>) -> Result<Option<UnixListener>, String> {
    let Some(mut taker) = taker else {
        if place.is_taken() {
            tracing::warn!("another gateway runs on the same state_dir: this one has no pid file there, and cannot be upgraded");
            return Ok(None);
        }
        return Ok(owned(place));
    };
    let lost = |error| format!("the process before serves on: {error}");
    taker.ready().map_err(lost)?;
    let socket = owned(place);
    taker.done().map_err(lost)?;
    Ok(socket)
}

fn owned(place: &Place) -> Option<UnixListener> {
    let failed = |error: &std::io::Error| {
        let path = place.socket();
        tracing::warn!(path = %path.display(), %error, "there is no pid file and no socket in state_dir: no process can take over from this one");
    };
    place.own().inspect_err(failed).ok()
}

/// Says what listens where, and what to try.
fn tell(config: &Config, demo: Option<SocketAddr>) {
    for (address, key) in proxies(config) {
        let scheme = if key == "server.tls" { "https" } else { "http" };
        tracing::info!("proxy on {scheme}://{address}");
    }
    for place in &config.admin.listen {
        let scheme = if let ListenAt::Address(_) = place { "http://" } else { "" };
        tracing::info!("Admin API on {scheme}{place}");
    }
    if let Some(address) = demo {
        tracing::info!("httpbin-style upstream on http://{address}");
        let proxy = config.server.listen.first().map(ToString::to_string).unwrap_or_default();
        tracing::info!("try: curl -i -H 'apikey: joe-key' http://{proxy}/demo   (the fourth time in a minute is refused)");
        tracing::info!(
            "then: curl {}/event-hooks, or edit the configuration and watch it take effect",
            config.admin.listen.first().map(to_curl).unwrap_or_default()
        );
    }
}

/// A place as curl is told of it.
fn to_curl(place: &ListenAt) -> String {
    match place {
        ListenAt::Address(address) => format!("http://{address}"),
        ListenAt::Unix(path) => format!("--unix-socket {path:?} http://localhost"),
    }
}
