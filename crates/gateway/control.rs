//! The one door through which the running configuration changes: the file, the Admin API and a signal are its callers.
//!
//! A change is prepared whole, then (if it came through the API) written to the file, then swapped in. On any problem
//! nothing changes, and the problems are told.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use sluice_admin::{Changed, Difference, Exposition, Plan, Planned, Refusal, Replaced, Status, Told, UpstreamHealth};
use sluice_config::{Config, Diagnostics, ProcessEnvironment, Source};
use sluice_events::{Bus, ConfigApplied, ConfigRejected, Emitter, Operation};
use sluice_hooks::Engine;
use sluice_plugins::Limiters;
use sluice_proxy::{Live, Traffic};

use crate::access_log::AccessLog;
use crate::config_file;
use crate::crud::Crud;
use crate::difference::{differences, named, summary};
use crate::edit;
use crate::life::Life;
use crate::metrics;
use crate::prepared::{Before, Prepared, now, prepare};
use crate::targets::upstream_health;
use crate::write_back::{Others, replace_files};

mod whole;

/// How often an edit is made again because the file changed meanwhile.
const ATTEMPTS: usize = 20;

/// Who changes the configuration.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    File,
    Signal,
    Admin,
    Certificates,
}

impl Origin {
    fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Signal => "signal",
            Self::Admin => "admin",
            Self::Certificates => "certificates",
        }
    }
}

/// What the gateway is made of, and how it changes.
pub struct Control {
    file: PathBuf,
    config: ArcSwap<Config>,
    live: Arc<Live>,
    traffic: Arc<Traffic>,
    bus: Arc<Bus>,
    limiters: Arc<Limiters>,
    engine: Arc<Engine>,
    access_log: Arc<AccessLog>,
    life: Arc<Life>,
    applied: Emitter<ConfigApplied>,
    rejected: Emitter<ConfigRejected>,
    crud: Crud,
    /// Held while a change is made: changes come one after the other.
    state: Mutex<State>,
    /// Asked by whoever holds the state.
    others: Mutex<Others>,
    status: ArcSwap<Status>,
    started_at: u64,
}

/// What the next change is compared with.
struct State {
    /// The files that are in force, the main one first.
    files: Vec<Source>,
    /// Those that were refused last, so that they are not told of twice.
    refused: Option<Vec<Source>>,
}

/// What is said if somebody else writes the files.
fn busy() -> Refusal {
    Refusal::Busy("somebody else is writing the configuration file just now; try again")
}

/// What a gateway is started with.
pub struct Parts {
    pub bus: Arc<Bus>,
    pub limiters: Arc<Limiters>,
    pub engine: Arc<Engine>,
    pub traffic: Arc<Traffic>,
    pub access_log: Arc<AccessLog>,
    pub life: Arc<Life>,
}

impl Control {
    /// Puts the first configuration into force.
    pub fn new(file: &Path, files: Vec<Source>, prepared: Prepared, parts: Parts) -> Arc<Self> {
        let applied_at = now();
        parts.engine.apply(&prepared.config.hooks, prepared.network);
        parts.engine.replace(prepared.hooks);
        parts.limiters.budget().resize(prepared.config.limits.max_keys);
        parts.access_log.apply(&prepared.config.access_log);
        let mut others = Others::default();
        others.follow(&files);
        let control = Self {
            file: file.to_owned(),
            config: ArcSwap::from_pointee(prepared.config),
            live: Arc::new(ArcSwap::from_pointee(prepared.snapshot)),
            traffic: parts.traffic,
            applied: parts.bus.emitter(),
            rejected: parts.bus.emitter(),
            crud: Crud::new(&parts.bus),
            bus: parts.bus,
            limiters: parts.limiters,
            engine: parts.engine,
            access_log: parts.access_log,
            life: parts.life,
            state: Mutex::new(State { files, refused: None }),
            others: Mutex::new(others),
            status: ArcSwap::from_pointee(Status { version: 1, applied_at, ..Status::default() }),
            started_at: applied_at,
        };
        Arc::new(control)
    }

    /// The snapshot in force, for the proxy.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Reads the file again. A file that says what is in force already changes nothing; a signal reads it all the same,
    /// for what it refers to may have changed.
    pub fn reload(&self, origin: Origin) {
        // What is edited by then is another process's, and so is telling of it.
        if self.life.is_stopping() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever began to write since it was told of is waited for; who does not end is read as far as he came.
        self.others.lock().unwrap_or_else(PoisonError::into_inner).leave();
        let files = config_file::read_all(&self.file);
        let asked = matches!(origin, Origin::Signal);
        if files == state.files && !asked {
            if state.refused.take().is_some() {
                self.clear_problems();
            }
            return;
        }
        if state.refused.as_ref() == Some(&files) && !asked {
            return;
        }
        match self.prepare(files.clone()) {
            Ok(prepared) => self.swap(&mut state, State { files, refused: None }, prepared, origin),
            Err(problems) => {
                self.refuse(&problems, origin);
                state.refused = Some(files);
            }
        }
    }

    /// Reads the files of certificates again, under the text that is in force: what else was written may be unfinished.
    pub fn renew(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (files, refused) = (state.files.clone(), state.refused.clone());
        match self.prepare(files.clone()) {
            Ok(prepared) => {
                // A text that was refused before this is refused still.
                self.swap(&mut state, State { files, refused }, prepared, Origin::Certificates);
            }
            Err(problems) => self.refuse(&problems, Origin::Certificates),
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    fn prepare(&self, files: Vec<Source>) -> Result<Prepared, Diagnostics> {
        let (config, snapshot) = (self.config.load(), self.live.load());
        let before = Before { config: &config, snapshot: &snapshot };
        prepare(files, &ProcessEnvironment, (Some(before), now()), (&self.bus, &self.limiters))
    }

    /// Puts what was prepared into force.
    fn swap(&self, state: &mut State, next: State, prepared: Prepared, origin: Origin) {
        let before = self.config.load_full();
        let waiting = waiting(&before, &prepared.config);
        if !waiting.is_empty() {
            tracing::warn!("{} changed: that takes effect at the next start", waiting.join(" and "));
        }
        // Hooks first: what the new snapshot raises, and what is told of the change, has somebody who wants it.
        self.engine.apply(&prepared.config.hooks, prepared.network);
        self.engine.replace(prepared.hooks);
        self.limiters.budget().resize(prepared.config.limits.max_keys);
        self.live.store(Arc::new(prepared.snapshot.continuing(&self.live.load())));
        if before.access_log != prepared.config.access_log {
            self.access_log.apply(&prepared.config.access_log);
        }
        self.config.store(Arc::new(prepared.config));
        let differences = differences(&before, &self.config.load());
        let changes = differences.iter().map(Difference::told).collect();
        let status = self.status.load();
        let (version, refused) = (status.version + 1, status.refused);
        let problems = if next.refused.is_some() { status.problems.clone() } else { Vec::new() };
        let waiting_for_start = waiting.clone();
        let status = Status { version, refused, problems, applied_at: now(), changes, waiting_for_start, ..Status::default() };
        self.status.store(Arc::new(status));
        *state = next;
        tracing::info!(version, origin = origin.name(), "configuration applied: {}", summary(&differences, &waiting));
        self.applied.emit(|| ConfigApplied {
            version,
            origin: origin.name(),
            added: named(&differences, Operation::Create),
            changed: named(&differences, Operation::Update),
            removed: named(&differences, Operation::Delete),
            waiting,
        });
        self.crud.tell(&differences);
    }

    fn refuse(&self, problems: &Diagnostics, origin: Origin) {
        let status = self.status.load_full();
        let lines: Vec<String> = problems
            .0
            .iter()
            .map(|one| {
                format!("{}:{}:{}  {}: {}", one.file.display(), one.position.line, one.position.column, one.path, one.message)
            })
            .collect();
        // Whoever reads of it in the log finds it in the status.
        let refused = status.refused + 1;
        self.status.store(Arc::new(Status { problems: lines.clone(), refused, ..(*status).clone() }));
        tracing::error!(
            origin = origin.name(),
            version = status.version,
            "configuration refused, the old one stays in force:\n{problems}"
        );
        self.rejected.emit(|| ConfigRejected { version: status.version, origin: origin.name(), problems: lines });
    }

    fn clear_problems(&self) {
        let status = self.status.load_full();
        self.status.store(Arc::new(Status { problems: Vec::new(), ..(*status).clone() }));
    }

    /// Makes a change of the Admin API.
    fn change(&self, plan: &Plan, expected: Option<&[u64]>) -> Result<Changed, Refusal> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // What somebody edited by hand meanwhile is there: the change goes on top of it, also if that happens just now.
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.follow(&state.files);
        for _ in 0..ATTEMPTS {
            if !others.leave() {
                return Err(busy());
            }
            let before = config_file::read_all(&self.file);
            if let Some(problem) = before[0].unread.clone() {
                if self.file.canonicalize().is_ok_and(|file| others.are_at(&file)) {
                    continue;
                }
                return Err(Refusal::Broken(Diagnostics::of_file(&self.file, &problem)));
            }
            let version = self.status.load().version;
            let edited = before != state.files;
            if expected.is_some_and(|all| edited || !all.contains(&version)) {
                return Err(Refusal::Stale(version));
            }
            let base = match edited {
                false => self.config(),
                true => Arc::new(self.prepare(before.clone()).map_err(Refusal::Broken)?.config),
            };
            let Planned { steps, at, id } = plan(&base).map_err(Refusal::Unplanned)?;
            if !steps.is_empty() && !self.config.load().admin.write_back {
                return Err(Refusal::ReadOnly);
            }
            let files = edit::apply(&before, &steps)?;
            if files == before && !edited {
                return Ok(Changed { version, config: base, id });
            }
            let prepared = self.prepare(files.clone()).map_err(|problems| Refusal::Invalid(problems, at))?;
            if replace_files(&before, &files, &mut others).map_err(Refusal::File)? {
                self.swap(&mut state, State { files, refused: None }, prepared, Origin::Admin);
                return Ok(Changed { version: self.status.load().version, config: self.config(), id });
            }
        }
        Err(busy())
    }
}

/// What of a change takes effect at the next start only.
fn waiting(before: &Config, after: &Config) -> Vec<&'static str> {
    let server = before.server.needs_start(&after.server).then_some("[server]");
    server.into_iter().chain((before.admin.listen != after.admin.listen).then_some("[admin] listen")).collect()
}

/// [`Control`] as the Admin API sees it.
pub struct AdminControl(pub Arc<Control>);

#[async_trait]
impl sluice_admin::Control for AdminControl {
    fn config(&self) -> Arc<Config> {
        self.0.config.load_full()
    }

    fn status(&self) -> Status {
        let traffic = &self.0.traffic;
        let status = self.0.status.load_full();
        Status {
            total_requests: traffic.total(),
            active_requests: traffic.active(),
            failed_handshakes: traffic.failed_handshakes(),
            ..(*status).clone()
        }
    }

    fn is_ready(&self) -> bool {
        self.0.life.is_ready()
    }

    fn engine(&self) -> Arc<Engine> {
        self.0.engine.clone()
    }

    fn limiters(&self) -> Arc<Limiters> {
        self.0.limiters.clone()
    }

    fn measure(&self, out: &mut Exposition) {
        let Control { live, traffic, bus, access_log, started_at, .. } = &*self.0;
        let snapshot = live.load();
        metrics::requests(&snapshot, traffic, out);
        metrics::upstreams(&snapshot, out);
        metrics::around(traffic, bus, access_log, out);
        metrics::process(*started_at, out);
    }

    fn upstream_health(&self, upstream: &str) -> Option<UpstreamHealth> {
        upstream_health(&self.0.live.load_full(), upstream)
    }

    fn set_health(&self, upstream: &str, target: (&str, Option<&str>), healthy: bool) -> bool {
        self.0.live.load_full().set_health(upstream, target, healthy)
    }

    fn text(&self) -> String {
        self.0.masked()
    }

    async fn check(&self, text: String) -> Result<Vec<Told>, Refusal> {
        let control = self.0.clone();
        aside(move || control.check(&text)).await
    }

    async fn replace(&self, text: String, expected: Option<Vec<u64>>) -> Result<Replaced, Refusal> {
        let control = self.0.clone();
        aside(move || control.replace(&text, expected.as_deref())).await
    }

    async fn change(&self, plan: Plan, expected: Option<Vec<u64>>) -> Result<Changed, Refusal> {
        let control = self.0.clone();
        aside(move || control.change(&plan, expected.as_deref())).await
    }

    async fn rehearse(&self, plan: Plan) -> Result<(), Refusal> {
        let control = self.0.clone();
        aside(move || control.rehearse(&plan)).await
    }
}

/// Does what takes its time beside the requests of the Admin API.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Refusal::File(format!("the change was cut off: {error}"))))
}
