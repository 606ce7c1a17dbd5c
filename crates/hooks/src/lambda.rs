//! `lambda`: calls functions that users write, in Luau, by Kong's contract.
//!
//! They are called in order with (data, event, source, pid). One that does not return true has failed: those after it are
//! not called, and the delivery is tried again from the first. They run on threads for work that blocks, a few at once,
//! so that no other hook waits for their end.

mod clock;
mod fault;
mod journal;
mod json;
mod sandbox;
#[cfg(test)]
mod tests;
mod vm;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_config::{EventHook, Problem, options_schema};
use sluice_events::EventKind;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use self::vm::Vm;
use crate::handler::{BuildCx, Cx, Delivery, Failure, Handler};
use crate::quiet::Quiet;
use crate::registry::Kind;
use crate::template::Refusal;

/// The handler's entry in the registry.
pub(crate) const KIND: Kind = Kind {
    name: "lambda",
    summary: "Calls functions in Lua (Luau)",
    kept: true,
    concurrency: 1,
    schema: options_schema::<Config>,
    build,
    show,
};

/// `config` of the handler `lambda`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Chunks that return functions, such as `return function(data, event, source, pid) log(data.ip) return true end`.
    #[schemars(length(min = 1, max = 32))]
    functions: Vec<String>,
}

/// How many functions a hook may have.
const MOST: usize = 32;

/// What functions for Kong may use that is not here.
const OF_KONG: &[&str] = &["kong.", "ngx."];

/// How many hooks may run functions at once: an endless loop takes some of the machine, never all of it.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

struct Lambda {
    name: String,
    functions: Arc<[String]>,
    /// Made by the first delivery; the one that holds it calls the functions.
    vm: Arc<Mutex<Slot>>,
}

#[derive(Default)]
struct Slot {
    vm: Option<Vm>,
    emptied: Quiet,
}

fn build(hook: &EventHook, cx: &BuildCx<'_>) -> Result<Arc<dyn Handler>, Vec<Problem>> {
    hook.config.read_and_check(|config: Config| {
        let problems = check(hook, &config.functions, cx.kinds);
        if !problems.is_empty() {
            return Err(problems);
        }
        let (name, functions) = (hook.name.clone(), config.functions.into());
        Ok(Arc::new(Lambda { name, functions, vm: Arc::default() }) as Arc<dyn Handler>)
    })
}

/// Compiles the functions and tries them on samples, in a state that is thrown away with all that they did.
fn check(hook: &EventHook, functions: &[String], kinds: &[&'static EventKind]) -> Vec<Problem> {
    let path = hook.config.path().key("functions");
    if functions.is_empty() || functions.len() > MOST {
        return vec![Problem::at(path, format!("there are {} functions", functions.len())).help(format!("write 1 to {MOST}"))];
    }
    let refusals = Vm::load(functions).map_or_else(|refusals| refusals, |vm| vm.try_on(kinds));
    let problem = |(index, refusal): (usize, Refusal)| {
        let for_kong = OF_KONG.iter().any(|word| functions[index].contains(word));
        let of_kong = || for_kong.then(|| "there is no `kong` and no `ngx` here; log(text) writes to the log".to_owned());
        let problem = Problem::at(path.index(index), refusal.message);
        refusal.help.or_else(of_kong).into_iter().fold(problem, Problem::help)
    };
    refusals.into_iter().map(problem).collect()
}

fn show(hook: &EventHook) -> Value {
    hook.config.read::<Config>().map_or(Value::Null, |config| json!({ "functions": config.functions }))
}

#[async_trait]
impl Handler for Lambda {
    async fn handle(&self, delivery: &Delivery, cx: &Cx<'_>) -> Result<(), Failure> {
        let busy = |_| Failure::retry("other functions took all the time");
        let mut slot = timeout_at(cx.deadline, self.vm.clone().lock_owned()).await.map_err(busy)?;
        let permit = timeout_at(cx.deadline, AT_ONCE.acquire()).await.map_err(busy)?;
        let (name, functions, delivery) = (self.name.clone(), self.functions.clone(), delivery.clone());
        let call = spawn_blocking(move || {
            let _permit = permit;
            call(&name, &functions, &mut slot, &delivery)
        });
        call.await.map_err(|_| Failure::give_up("the functions broke down"))?
    }
}

/// Calls the functions, and logs what they said.
fn call(name: &str, functions: &[String], slot: &mut Slot, delivery: &Delivery) -> Result<(), Failure> {
    let vm = match slot.vm.take() {
        Some(vm) => vm,
        None => Vm::load(functions).map_err(|refusals| Failure::give_up(first(refusals)))?,
    };
    let result = vm.run(delivery);
    for line in vm.said() {
        info!(target: "sluice::hook", hook = %name, "{line}");
    }
    if !vm.is_full() {
        slot.vm = Some(vm);
    } else if let Some(times) = slot.emptied.add(1, Instant::now()) {
        warn!(hook = %name, times, "the functions kept more than 8 MiB, so `state` and all else that they kept was emptied");
    }
    result.map_err(Failure::retry)
}

/// They were loaded once before, so this is for those that load only sometimes.
fn first(refusals: Vec<(usize, Refusal)>) -> String {
    let first = refusals.into_iter().next();
    first.map_or_else(String::new, |(index, refusal)| format!("config.functions[{index}]: {}", refusal.message))
}
