//! Starts the gateway: reads the configuration, wires the parts, runs until it is told to stop.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use pingora_core::server::RunArgs;
use sluice_config::{Config, Diagnostics, ProcessEnvironment, Source};
use sluice_events::Bus;
use sluice_hooks::Engine;
use sluice_plugins::Limiters;
use sluice_proxy::Traffic;

use crate::access_log::AccessLog;
use crate::config_file::{self, Unread};
use crate::control::{Control, Parts};
use crate::prepared::{now, prepare};
use crate::signals::Signals;
use crate::watch::watch;
use crate::wiring::Wiring;

/// How long a listener may take to come up.
const COME_UP: Duration = Duration::from_secs(10);

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

/// Runs the gateway, and with `demo` an upstream at that address, until a signal ends it.
pub fn run(file: &Path, demo: Option<SocketAddr>) -> Result<(), Failure> {
    let signals = Signals::catch()?;
    let text = read_file(file)?;
    let bus: Arc<Bus> = Arc::default();
    let limiters: Arc<Limiters> = Arc::default();
    let source = Source::new(file, text.clone());
    let prepared = prepare(source, &ProcessEnvironment, (None, now()), (&bus, &limiters)).map_err(Failure::BadConfiguration)?;
    let config = prepared.config.clone();
    let listeners = Listeners::bind(&config, demo)?;
    let traffic: Arc<Traffic> = Arc::default();
    let engine = Engine::new(bus.clone(), sluice_hooks::Options::new(&config.server.state_dir));
    let access_log = AccessLog::start(traffic.clone()).context("cannot start a thread")?;
    let parts = Parts {
        bus: bus.clone(),
        limiters: limiters.clone(),
        engine: engine.clone(),
        traffic: traffic.clone(),
        access_log: access_log.clone(),
    };
    let control = Control::new(file, text, prepared, parts);
    if let Err(error) = watch(file, control.clone()) {
        tracing::warn!(%error, "edits of the configuration are not seen by themselves; send SIGHUP after one");
    }
    let (done, stopped) = sync_channel(2);
    let not_up = done.clone();
    let wiring = Wiring {
        config: &config,
        control,
        bus,
        engine,
        limiters,
        traffic,
        access_log: access_log.clone(),
        listeners,
        signals: signals.clone(),
        done,
    };
    let server = wiring.server();
    let running = std::thread::Builder::new().name("server".into());
    let run = move || server.run(RunArgs { shutdown_signal: Box::new(signals) });
    running.spawn(run).context("cannot start the server's thread")?;
    // Beside the wait for the end, since a stop may come before everything listens.
    let announcing = std::thread::Builder::new().name("announce".into());
    announcing.spawn(move || announce(&config, demo, &not_up)).context("cannot start a thread")?;
    // Pingora sleeps its whole grace period before it returns; the process is done when the hooks are.
    let ended = stopped.recv().map_err(|_| anyhow!("a part of the gateway broke down"))?;
    access_log.close();
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

/// The addresses are taken before anything runs, so that one in use is a clear error.
pub struct Listeners {
    pub admin: TcpListener,
    pub httpbin: Option<TcpListener>,
}

impl Listeners {
    fn bind(config: &Config, demo: Option<SocketAddr>) -> Result<Self, Failure> {
        for (address, key) in proxies(config) {
            // Pingora binds it again by itself.
            drop(bind(address, key)?);
        }
        let httpbin = demo.map(|address| bind(address, "--httpbin")).transpose()?;
        Ok(Self { admin: bind(config.admin.listen, "admin.listen")?, httpbin })
    }
}

/// Where the proxy listens, and which key says so.
fn proxies(config: &Config) -> impl Iterator<Item = (SocketAddr, &'static str)> {
    let plain = config.server.listen.iter().map(|address| (*address, "server.listen"));
    plain.chain(config.server.tls.iter().map(|tls| (tls.listen, "server.tls")))
}

fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listener.with_context(|| format!("cannot listen on {address} ({key}); stop who holds it, or write another address"))
}

/// Says what listens where, once it does, and what to try. A listener that does not come up ends the gateway.
fn announce(config: &Config, demo: Option<SocketAddr>, failed: &SyncSender<Ended>) {
    for (address, key) in proxies(config) {
        let until = Instant::now() + COME_UP;
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            if Instant::now() > until {
                // Nobody listens any more if the gateway is stopping by now.
                let _ = failed.try_send(Err(format!("nothing listens on {address} ({key}) after {COME_UP:?}")));
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let scheme = if key == "server.tls" { "https" } else { "http" };
        tracing::info!("proxy on {scheme}://{address}");
    }
    tracing::info!("Admin API on http://{}", config.admin.listen);
    if let Some(address) = demo {
        tracing::info!("httpbin-style upstream on http://{address}");
        let proxy = config.server.listen.first().map(ToString::to_string).unwrap_or_default();
        tracing::info!("try: curl -i -H 'apikey: joe-key' http://{proxy}/demo   (the fourth time in a minute is refused)");
        tracing::info!(
            "then: curl http://{}/event-hooks, or edit the configuration and watch it take effect",
            config.admin.listen
        );
    }
}
