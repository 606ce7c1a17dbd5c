//! The functions of one hook, loaded into a Lua state of their own.

use mlua::chunk::ChunkMode;
use mlua::{Function, IntoLuaMulti, Lua, Value};
use serde_json::{Map, Value as Json};
use sluice_events::EventKind;

use crate::handler::Delivery;
use crate::lambda::clock::Clock;
use crate::lambda::fault::{CHUNK, message};
use crate::lambda::journal::Journal;
use crate::lambda::{json, sandbox};
use crate::template::Refusal;

/// How long the text of a function may be.
const SOURCE: usize = 64 * 1024;
/// How much memory may be kept from one delivery to the next.
const KEPT: usize = sandbox::MEMORY / 2;

const FORM: &str = "write: return function(data, event, source, pid) … return true end";
const GUARD: &str = "guard it, as in: data.consumer.username or \"nobody\"";

/// A Lua state with the functions of a hook. What they put into `state` stays in it.
pub(crate) struct Vm {
    lua: Lua,
    functions: Vec<Function>,
    clock: Clock,
    journal: Journal,
}

impl Vm {
    /// Loads functions, or tells why some of them cannot be, by their index.
    pub fn load(sources: &[String]) -> Result<Self, Vec<(usize, Refusal)>> {
        let (clock, journal) = (Clock::new(), Journal::default());
        let lua = sandbox::new(&clock, &journal).map_err(|error| vec![(0, Refusal::new(message(&error)))])?;
        let mut vm = Self { lua, functions: Vec::new(), clock, journal };
        let mut refusals = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            match vm.function(source) {
                Ok(function) => vm.functions.push(function),
                Err(refusal) => refusals.push((index, refusal)),
            }
        }
        if refusals.is_empty() { Ok(vm) } else { Err(refusals) }
    }

    fn function(&self, source: &str) -> Result<Function, Refusal> {
        if source.len() > SOURCE {
            return Err(Refusal::new(format!("the text is longer than {} KiB", SOURCE / 1024)));
        }
        // Text only: bytecode is not checked by Luau.
        let chunk = self.lua.load(source).set_name(CHUNK).set_mode(ChunkMode::Text).into_function();
        let chunk = chunk.map_err(|error| Refusal::new(format!("it does not compile: {}", message(&error))).help(FORM))?;
        self.clock.start();
        match chunk.call(()) {
            Ok(Value::Function(function)) => Ok(function),
            Ok(other) => Err(Refusal::new(format!("it must return a function, and returned {}", named(&other))).help(FORM)),
            Err(error) => Err(Refusal::new(format!("it fails: {}", message(&error)))),
        }
    }

    /// Calls every function with a sample of each kind of event, and with one of an anonymous request. What they return
    /// does not matter; what they raise does.
    pub fn try_on(&self, kinds: &[&'static EventKind]) -> Vec<(usize, Refusal)> {
        let refusal = |index| kinds.iter().find_map(|kind| self.try_one(index, kind).err()).map(|refusal| (index, refusal));
        (0..self.functions.len()).filter_map(refusal).collect()
    }

    fn try_one(&self, index: usize, kind: &EventKind) -> Result<(), Refusal> {
        let sample = sample(kind);
        let bare = anonymous(&sample);
        let run = |data: Map<String, Json>| {
            self.clock.start();
            // Every try is a first one.
            let tried = self.lua.create_table().and_then(|state| self.lua.globals().raw_set("state", state));
            let tried =
                tried.and_then(|()| self.arguments(data, kind)).and_then(|arguments| self.functions[index].call::<()>(arguments));
            tried.map_err(|error| message(&error))
        };
        let fails = |reason| Refusal::new(format!("it fails on a sample of the event \"{}\": {reason}", kind.name));
        run(sample).map_err(fails)?;
        let Some(bare) = bare else { return Ok(()) };
        run(bare).map_err(|reason| {
            Refusal::new(format!("it fails for a request without consumer, service or route: {reason}")).help(GUARD)
        })
    }

    /// Calls the functions in order, to the first that does not return true.
    pub fn run(&self, delivery: &Delivery) -> Result<(), String> {
        self.clock.start();
        let arguments = self.arguments(delivery.counted_data(), delivery.kind).map_err(|error| message(&error))?;
        for (index, function) in self.functions.iter().enumerate() {
            let at = |reason: String| format!("config.functions[{index}]: {reason}");
            match function.call(&arguments) {
                Ok(Value::Boolean(true)) => {}
                Ok(other) => return Err(at(format!("it returned {} and not true", named(&other)))),
                Err(error) => return Err(at(message(&error))),
            }
        }
        Ok(())
    }

    /// Kong's arguments.
    fn arguments(&self, data: Map<String, Json>, kind: &EventKind) -> mlua::Result<mlua::MultiValue> {
        let data = json::to_lua(&self.lua, &Json::Object(data))?;
        (data, kind.name, kind.source, f64::from(std::process::id())).into_lua_multi(&self.lua)
    }

    /// What functions said since the last time.
    pub fn said(&self) -> Vec<String> {
        self.journal.take()
    }

    /// Whether so much is kept that the next delivery would have little room.
    pub fn is_full(&self) -> bool {
        self.lua.used_memory() > KEPT && (self.lua.gc_collect().is_err() || self.lua.used_memory() > KEPT)
    }
}

fn named(value: &Value) -> String {
    match value {
        Value::Nil => "nothing".to_owned(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Integer(_) => "a number".to_owned(),
        other => format!("a {}", other.type_name()),
    }
}

/// The data of a sample, with our own counters.
fn sample(kind: &EventKind) -> Map<String, Json> {
    let mut data = match (kind.sample)() {
        Json::Object(data) => data,
        _ => Map::new(),
    };
    for (name, value) in [("count", 1_u64), ("first_at", 1_700_000_000_000), ("last_at", 1_700_000_000_000)] {
        data.entry(name).or_insert_with(|| value.into());
    }
    data
}

/// The same of a request without consumer, service and route, if the event has them.
fn anonymous(sample: &Map<String, Json>) -> Option<Map<String, Json>> {
    let mut bare = sample.clone();
    let entities = ["consumer", "service", "route"].iter().filter(|name| sample.get(**name).is_some_and(Json::is_object));
    let emptied = entities.map(|name| bare.insert((*name).to_owned(), Json::Object(Map::new()))).count();
    (emptied > 0).then_some(bare)
}
