//! Starts the gateway: reads the configuration, wires the parts, runs until it is told to stop.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::{Context, anyhow};
use pingora_core::server::RunArgs;
use sluice_config::{Diagnostics, ProcessEnvironment, Source};
use sluice_events::Bus;
use sluice_hooks::Engine;
use sluice_plugins::Limiters;
use sluice_proxy::Traffic;
use tokio::sync::oneshot;

use crate::access_log::AccessLog;
use crate::announce::Announcement;
use crate::config_file::{self, Unread};
use crate::control::{Control, Parts};
use crate::handover::successor::Successor;
use crate::handover::taker::Taker;
use crate::life::Life;
use crate::listeners::{Listeners, bind};
use crate::place::Place;
use crate::prepared::{now, prepare};
use crate::signals::Signals;
use crate::stop::Stop;
use crate::watch::{Seen, watch};
use crate::wiring::Wiring;

/// How long a process that was replaced may need to let go of the outbox, after its last request.
const LETS_GO: Duration = Duration::from_secs(10);

/// How the gateway ended: by itself, or because something did not come up.
pub type Ended = Result<(), String>;

/// Why a command failed.
pub enum Failure {
    /// The configuration has these problems.
    BadConfiguration(Diagnostics),
    /// The command line asks for what cannot be.
    Usage(String),
    /// Something else stood in the way.
    Start(anyhow::Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadConfiguration(diagnostics) => diagnostics.fmt(f),
            Self::Usage(reason) => f.write_str(reason),
            Self::Start(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Start(error)
    }
}

/// The text that the gateway starts with.
pub fn read_file(file: &Path) -> Result<String, Failure> {
    config_file::read(file).map_err(|unread| match unread {
        Unread::NotText => Failure::BadConfiguration(Diagnostics::of_file(file, &unread.to_string())),
        Unread::Io(error) => {
            let hint = "write one, or name another with --config";
            anyhow!("cannot read the configuration {}: {error}; {hint}", file.display()).into()
        }
    })
}

/// How the gateway is started.
pub struct Start {
    /// Where an upstream to try it on listens.
    pub demo: Option<SocketAddr>,
    /// Whether it takes over from one that runs.
    pub upgrade: bool,
    /// Who takes over from it, if it is told so.
    pub successor: Successor,
}

/// Runs the gateway until a signal ends it, or another process has taken over.
pub fn run(file: &Path, start: Start) -> Result<(), Failure> {
    let Start { demo, upgrade, successor } = start;
    let life = Arc::<Life>::default();
    let signals = Signals::catch(life.clone(), successor)?;
    let seen = Seen::at(file);
    let files = config_file::with_included(Source::new(file, read_file(file)?));
    let bus: Arc<Bus> = Arc::default();
    let limiters: Arc<Limiters> = Arc::default();
    let prepared = prepare(files.clone(), &ProcessEnvironment, (None, now()), (&bus, &limiters));
    let prepared = prepared.map_err(Failure::BadConfiguration)?;
    let config = prepared.config.clone();
    let place = Arc::new(Place::new(&config.server.state_dir));
    // From here on a process that is to be replaced waits for this one.
    let (taker, inherited) = upgrade.then(|| Taker::ask(&place)).transpose()?.unzip();
    let listeners = Arc::new(Listeners::open(&config, demo, inherited.unwrap_or_default())?);
    let traffic: Arc<Traffic> = Arc::default();
    let mut options = sluice_hooks::Options::new(&config.server.state_dir);
    options.predecessor = upgrade.then_some(config.server.shutdown_timeout + LETS_GO);
    let engine = Engine::new(bus.clone(), options);
    let access_log = AccessLog::start(traffic.clone()).context("cannot start a thread")?;
    let parts = Parts {
        bus: bus.clone(),
        limiters: limiters.clone(),
        engine: engine.clone(),
        traffic: traffic.clone(),
        access_log: access_log.clone(),
        life: life.clone(),
    };
    let control = Control::new(file, files, prepared, parts);
    if let Err(error) = watch(seen, control.clone()) {
        tracing::warn!(%error, "edits of the configuration are not seen by themselves; send SIGHUP after one");
    }
    let (done, stopped) = sync_channel(2);
    let not_up = done.clone();
    let (up, is_up) = sync_channel(1);
    let (socket, at_socket) = oneshot::channel();
    let wiring = Wiring {
        config: &config,
        demo,
        control,
        bus,
        engine,
        limiters,
        traffic,
        access_log: access_log.clone(),
        listeners: listeners.clone(),
        signals,
        life: life.clone(),
        place: place.clone(),
        socket: at_socket,
        up,
        done,
    };
    let server = wiring.server()?;
    let stop = Stop { life: life.clone(), listeners: listeners.clone(), delay: config.server.shutdown_delay };
    let running = std::thread::Builder::new().name("server".into());
    let run = move || server.run(RunArgs { shutdown_signal: Box::new(stop) });
    running.spawn(run).context("cannot start the server's thread")?;
    // Beside the wait for the end, since a stop may come before everything listens.
    let announcement =
        Announcement { config, demo, life, place: place.clone(), listeners: listeners.clone(), taker, up: is_up, socket };
    let announcing = std::thread::Builder::new().name("announce".into());
    let announce = move || announcement.make().or_else(|problem| not_up.try_send(Err(problem)));
    announcing.spawn(announce).context("cannot start a thread")?;
    // Pingora sleeps its whole grace period before it returns; the process is done when the hooks are.
    let ended = stopped.recv().map_err(|_| anyhow!("a part of the gateway broke down"))?;
    access_log.close();
    place.clear();
    listeners.clear();
    ended.map_err(|problem| anyhow!(problem))?;
    tracing::info!("stopped");
    Ok(())
}

/// Runs the demo's upstream alone.
pub fn httpbin(listen: SocketAddr) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start a runtime")?;
    let served = runtime.block_on(async {
        let listener = bind(listen, "--listen")?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tracing::info!("httpbin-style upstream on http://{}", listener.local_addr()?);
        let stop = async { drop(tokio::signal::ctrl_c().await) };
        anyhow::Ok(sluice_httpbin::serve(listener, stop).await?)
    });
    Ok(served?)
}
