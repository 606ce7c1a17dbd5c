//! The world of a function: Luau without a way out of it, with an end to its time and its memory.
//!
//! Luau asks its interrupt at every call, every turn of a loop and every step of a pattern, and the interrupt looks at
//! the clock. It goes on failing once the time is over, so catching its error gains nothing. What could work long without
//! asking it is bounded here.

use mlua::debug::Debug;
use mlua::{Error, Function, Lua, LuaOptions, MultiValue, StdLib, Table, Value, VmState};

use crate::lambda::clock::{Clock, RUN_TIME};
use crate::lambda::journal::Journal;
use crate::lambda::json;

/// How much memory a Lua state may have, with what waits to be collected.
pub(crate) const MEMORY: usize = 16 * 1024 * 1024;

/// What the base library and mlua have beyond what a function needs.
const TAKEN: &[&str] =
    &["collectgarbage", "gcinfo", "getfenv", "load", "loadstring", "newproxy", "require", "setfenv", "_LOADED"];

/// What may take as long as its text times its pattern, without a look at the clock.
const SEARCHES: &[&str] = &["find", "gmatch", "gsub", "match", "split"];

/// How long text times pattern may be: some milliseconds of work.
const SEARCHED: usize = 32 * 1024 * 1024;

/// How many elements `table.move` may move.
const MOVED: f64 = 1_000_000.0;

/// How many of the innermost calls are looked at for where it is.
const CALLS: usize = 8;

/// Sorts by a function of Lua in any case, so that the interrupt is asked at every step.
const SORT: &str = "local sort = ...
return function(list, less)
    local before = if less == nil then function(a, b) return a < b end else function(a, b) return less(a, b) end
    return sort(list, before)
end";

/// A Lua state that can do nothing but compute, say something to the journal, and remember in `state`.
pub(crate) fn new(clock: &Clock, journal: &Journal) -> mlua::Result<Lua> {
    let libraries = StdLib::BIT | StdLib::MATH | StdLib::OS | StdLib::STRING | StdLib::TABLE | StdLib::UTF8;
    let lua = Lua::new_with(libraries, LuaOptions::new())?;
    let globals = lua.globals();
    for name in TAKEN {
        globals.raw_set(*name, Value::Nil)?;
    }
    bound(&lua, &globals)?;
    let log = journal.function(&lua)?;
    // Luau's own would write to standard output.
    globals.raw_set("print", &log)?;
    globals.raw_set("log", log)?;
    globals.raw_set("json", json::library(&lua)?)?;
    // From here on what is there cannot be changed; globals that a function sets are its hook's own.
    lua.sandbox(true)?;
    let globals = lua.globals();
    // Or else Luau would look up globals and their fields once, at load, and never again.
    globals.set_safeenv(false);
    globals.raw_set("state", lua.create_table()?)?;
    lua.set_memory_limit(MEMORY)?;
    let clock = clock.clone();
    lua.set_interrupt(move |lua| match clock.is_over() {
        true => Err(Error::runtime(format!("{}it has run for more than {} ms", place(lua), RUN_TIME.as_millis()))),
        false => Ok(VmState::Continue),
    });
    Ok(lua)
}

/// Where the user's functions are, as Lua writes it before an error.
fn place(lua: &Lua) -> String {
    let line_of = |call: &Debug<'_>| call.current_line().filter(|_| call.source().short_src.as_deref() == Some("line"));
    let line = (0..CALLS).map_while(|level| lua.inspect_stack(level, line_of)).flatten().next();
    line.map_or_else(String::new, |line| format!("line:{line}: "))
}

fn bound(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    let string: Table = globals.raw_get("string")?;
    for name in SEARCHES {
        let check = move |values: &MultiValue| {
            let length = |index| match values.get(index) {
                Some(Value::String(text)) => text.as_bytes().len(),
                // A number as a text, or a mistake.
                _ => 32,
            };
            match length(0).saturating_mul(length(1)) > SEARCHED {
                true => Err(format!("string.{name}: the text is too long for a pattern of this length")),
                false => Ok(()),
            }
        };
        string.raw_set(*name, checked(lua, string.raw_get(*name)?, check)?)?;
    }
    let table: Table = globals.raw_get("table")?;
    let check = |values: &MultiValue| {
        let number = |index| match values.get(index) {
            Some(Value::Integer(number)) => *number as f64,
            Some(Value::Number(number)) => *number,
            _ => 0.0,
        };
        match number(2) - number(1) > MOVED {
            true => Err(format!("table.move: more than {MOVED} elements")),
            false => Ok(()),
        }
    };
    table.raw_set("move", checked(lua, table.raw_get("move")?, check)?)?;
    let sort: Function = table.raw_get("sort")?;
    table.raw_set("sort", lua.load(SORT).set_name("=table.sort").call::<Function>(sort)?)
}

/// The function behind a check of its arguments.
fn checked(
    lua: &Lua,
    function: Function,
    check: impl Fn(&MultiValue) -> Result<(), String> + Send + 'static,
) -> mlua::Result<Function> {
    lua.create_function(move |_, values: MultiValue| {
        check(&values).map_err(Error::runtime)?;
        function.call::<MultiValue>(values)
    })
}
