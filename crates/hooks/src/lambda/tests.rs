//! The contract of functions, what is refused at load, and that nothing gets out of the sandbox or stays in it too long.

use serde_json::{Value as Json, json};
use sluice_events::EventKind;

use super::vm::Vm;
use crate::handler::Delivery;
use crate::template::Refusal;

fn kind() -> &'static EventKind {
    sluice_events::kind_of("rate-limiting-advanced", "rate-limit-exceeded").unwrap()
}

fn delivery(data: Json) -> Delivery {
    let Json::Object(data) = data else { panic!("an object") };
    Delivery { id: "msg_1".into(), kind: kind(), data, count: 2, first_at: 10, last_at: 1_700_000_000_123, attempt: 1 }
}

/// What a user would write around this body.
fn function(body: &str) -> String {
    format!("return function(data, event, source, pid)\n{body}\nend")
}

fn load(functions: &[&str]) -> Vm {
    let functions: Vec<String> = functions.iter().map(|text| (*text).to_owned()).collect();
    Vm::load(&functions).unwrap_or_else(|refusals| panic!("{refusals:?}"))
}

/// Runs these bodies; the result, and what was logged.
fn run(bodies: &[&str]) -> (Result<(), String>, Vec<String>) {
    let functions: Vec<String> = bodies.iter().map(|body| function(body)).collect();
    let vm = load(&functions.iter().map(String::as_str).collect::<Vec<_>>());
    let data = json!({ "consumer": {}, "ip": "192.0.2.1", "nothing": null, "list": ["a", 2.5], "deep": { "yes": true } });
    let result = vm.run(&delivery(data));
    (result, vm.said())
}

fn says(body: &str, expected: &str) {
    let (result, said) = run(&[&format!("{body}\nreturn true")]);
    assert_eq!((result, said), (Ok(()), vec![expected.to_owned()]), "{body}");
}

fn fails(body: &str, expected: &str) {
    let (result, _) = run(&[&format!("{body}\nreturn true")]);
    let reason = result.expect_err(body);
    assert!(reason.contains(expected), "{body}: {reason}");
}

/// What a single function is refused for, tried on the sample.
fn refusal(source: &str) -> Option<Refusal> {
    let refusals = Vm::load(&[source.to_owned()]).map_or_else(|refusals| refusals, |vm| vm.try_on(&[kind()]));
    refusals.into_iter().next().map(|(_, refusal)| refusal)
}

fn refused(source: &str, message: &str, help: &str) {
    let refusal = refusal(source).unwrap_or_else(|| panic!("{source} is not refused"));
    assert!(refusal.message.contains(message), "{source}: {}", refusal.message);
    assert!(refusal.help.clone().unwrap_or_default().contains(help), "{source}: {:?}", refusal.help);
}

#[test]
fn functions_get_kongs_arguments() {
    says("log(event, source)", "rate-limit-exceeded rate-limiting-advanced");
    says("log(pid)", &std::process::id().to_string());
    says("log(type(data.consumer), next(data.consumer), data.nothing, data.consumer.username)", "table null null null");
    says("log(data.ip, data.list[1], data.list[2], #data.list, data.deep.yes)", "192.0.2.1 a 2.5 2 true");
    says("log(data.count, data.first_at, data.last_at)", "2 10 1700000000123");
}

#[test]
fn only_true_is_success() {
    let check = |returned: &str, expected: Result<(), &str>| {
        let (result, _) = run(&[returned]);
        assert_eq!(result, expected.map_err(|reason| format!("config.functions[0]: {reason}")), "{returned}");
    };
    check("return true", Ok(()));
    check("return true, 'more'", Ok(()));
    check("return false", Err("it returned false and not true"));
    check("", Err("it returned nothing and not true"));
    check("return nil, 'why'", Err("it returned nothing and not true"));
    check("return 1", Err("it returned a number and not true"));
    check("return 'true'", Err("it returned a string and not true"));
    check("\nerror('so it is')", Err("line 3: so it is"));
    check("error('as it is', 0)", Err("line 2: as it is"));
    check("local x = data.none.at", Err("line 2: attempt to index nil with 'at'"));
    check("return json.decode('{')", Err("line 2: json.decode: EOF while parsing an object at line 1 column 1"));
}

#[test]
fn functions_run_in_order_to_the_first_that_fails() {
    let (result, said) = run(&["log(1) data.mine = 'x' return true", "log(2, data.mine) return false", "log(3) return true"]);
    assert_eq!(result, Err("config.functions[1]: it returned false and not true".into()));
    assert_eq!(said, ["1", "2 x"]);
    assert_eq!(run(&["log(1) return true", "log(2) return true"]), (Ok(()), vec!["1".into(), "2".into()]));
}

#[test]
fn what_cannot_work_is_refused_with_its_line() {
    refused("return function(data)\n  retrun true\nend", "it does not compile: line 2: ", "return function(data, event");
    refused("function(data) return true end", "it does not compile: line 1: ", "return function(data, event");
    refused("local x = 1", "it must return a function, and returned nothing", "return function(data, event");
    refused("return 5", "it must return a function, and returned a number", "return function(data, event");
    refused("\nerror('no')", "it fails: line 2: no", "");
    refused("while true do end", "it fails: line 1: it has run for more than 50 ms", "");
    refused(
        &function("\nreturn data.consumer.usrname .. '!'"),
        "it fails on a sample of the event \"rate-limit-exceeded\": line 3: attempt to concatenate nil with string",
        "",
    );
    refused(
        &function("return data.consumer.username .. '!'"),
        "it fails for a request without consumer, service or route: line 2: attempt to concatenate nil",
        "data.consumer.username or",
    );
    refused(&function("require('os')"), "line 2: attempt to call a nil value", "");
    refused(&function(&" ".repeat(64 * 1024)), "longer than 64 KiB", "");
    refused("\u{1b}Lua", "does not compile", "");
    refused(&format!("return {}1{}", "(".repeat(20_000), ")".repeat(20_000)), "does not compile", "");
    refused(&format!("return 1{}", " .. 1".repeat(13_000)), "does not compile", "");
    assert_eq!(refusal(&function("log((data.consumer.username or '?') .. data.ip) return true")), None);
    assert_eq!(refusal(&function("assert(state.before == nil) state.before = data assert(state.before) return true")), None);
    assert_eq!(refusal(&function("return data.limit > 1000")), None, "what it returns on the sample is its own affair");
}

#[test]
fn every_bad_function_is_told() {
    let sources = ["return 1", "return function() end", "x"].map(str::to_owned);
    let Err(refusals) = Vm::load(&sources) else { panic!("two of them are bad") };
    assert_eq!(refusals.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 2]);
    let vm = load(&["return function() error('a') end", "return function() end", "return function() error('b') end"]);
    assert_eq!(vm.try_on(&[kind()]).iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn there_is_no_way_out_of_the_sandbox() {
    for name in [
        "io",
        "debug",
        "package",
        "require",
        "load",
        "loadstring",
        "loadfile",
        "dofile",
        "getfenv",
        "setfenv",
        "collectgarbage",
        "gcinfo",
        "newproxy",
        "coroutine",
        "buffer",
        "os.execute",
        "os.getenv",
        "os.exit",
        "os.remove",
        "os.rename",
        "os.tmpname",
        "string.dump",
        "_LOADED",
    ] {
        says(&format!("log({name})"), "null");
        if !name.contains('.') {
            says(&format!("log(_G.{name})"), "null");
        }
    }
    for name in ["os.time", "os.date", "os.clock", "string.format", "table.concat", "math.floor", "bit32.band", "utf8.len"] {
        says(&format!("log(type({name}))"), "function");
    }
    for change in ["string.rep = 1", "math.pi = 3", "_G.print = 1", "getmetatable('').__index = {}", "json.encode = 1"] {
        fails(change, "attempt to");
    }
    // A global of its own is its own: the next hook has another world.
    says("mine = 5 string = nil log(mine, type(string))", "5 table");
}

#[test]
fn what_does_not_end_is_ended() {
    let time = "it has run for more than 50 ms";
    fails("while true do end", time);
    fails("repeat local x = 1 until false", time);
    fails("local function f() return f() end while true do pcall(f) end", time);
    fails("while true do pcall(function() while true do end end) end", time);
    fails("local function f() while true do pcall(f) end end f()", time);
    fails("local function f(n) while true do xpcall(f, f, n + 1) end end f(1)", time);
    fails("while true do local ok, e = pcall(error, 'x') end", time);
    fails("string.find(string.rep('a', 60), string.rep('a?', 60) .. string.rep('a', 60))", time);
    fails("string.find(string.rep('a', 500000), '.-.-.-.-b')", time);
    fails("string.rep('x', 1000000):gsub('.', function() while true do end end)", time);
    fails("local t = {} for i = 1, 400000 do t[i] = i % 1000 end while true do table.sort(t) end", time);
    fails("table.sort({3, 2, 1}, function() while true do end end)", time);
    fails("setmetatable({}, { __index = function() while true do end end }).x = nil .. ''", "");
    fails("log(setmetatable({}, { __tostring = function() while true do end end }).x .. '')", "attempt to");
    fails("\nwhile true do end", "line 3: it has run");
    fails("for w in string.gmatch(string.rep('x', 5000000), '') do end", time);
}

#[test]
fn what_works_long_in_one_go_is_refused() {
    let long = "too long for a pattern of this length";
    fails("string.find(string.rep('a', 3000000), string.rep('a', 1000000) .. 'b', 1, true)", long);
    fails("string.match(string.rep('a', 3000000), '[' .. string.rep('b', 1000000) .. 'a]*')", long);
    fails("string.rep('a', 3000000):gsub(string.rep('b', 1000000), '')", long);
    fails("string.rep('a', 3000000):split(string.rep('b', 1000000))", long);
    fails("string.gmatch(string.rep('a', 3000000), string.rep('b', 1000000))", long);
    fails("table.move({}, 1, 2147483646, 1)", "table.move: more than 1000000 elements");
    fails("table.unpack({}, 1, 100000000)", "too many results");
    fails("string.find('x', string.rep('(', 100))", "");
    says("log(string.find('a.b', '.', 1, true), ('x=1'):match('(%w)=(%d)'))", "2 x 1");
    says("local t = {3, 1, 2} table.sort(t) log(t) ", "[1,2,3]");
    says("local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) log(t)", "[3,2,1]");
    says("log(table.move({1, 2, 3}, 2, 3, 1), ('a,b'):split(','))", "[2,3,3] [\"a\",\"b\"]");
    fails("table.sort({1, 'x'})", "line 2: ");
    fails("string.find(nil, 'x')", "line 2: ");
    fails("string.find({}, 'x')", "invalid argument #1 to 'find'");
}

#[test]
fn memory_has_an_end() {
    let memory = "it needs more than 16 MiB of memory";
    // A slow machine comes to the end of the time first.
    let either = "more than";
    fails("string.rep('x', 1e9)", memory);
    fails("string.rep('x', 2^31 - 1)", "");
    fails("local s = 'x' while true do s = s .. s end", either);
    fails("local t = {} while true do t[#t + 1] = {} end", either);
    fails("table.create(1e8, 0)", "table overflow");
    fails("local t = {} for i = 1, 1e9 do t[i] = i end", either);
    fails("local t = {} for i = 1, 1e9 do t['k' .. i] = i end", either);
    fails("local function f() return 1 + f() end f()", "stack overflow");
    fails("local function f(...) return f(1, ...) + 1 end f()", "");
    fails("local t = {} while true do pcall(function() t[#t + 1] = string.rep('x', 1e6) .. #t end) end", "");
    fails("local t = setmetatable({}, {}) getmetatable(t).__index = t log(t.x.y)", "possible loop");
    fails("local s = string.rep('x', 4e6) log((s:gsub('x', s)))", memory);
    fails("local t = {} for i = 1, 60000 do t[i] = string.rep('x', 1000) .. i end", either);
}

#[test]
fn a_state_that_failed_works_on() {
    for body in ["while true do end", "string.rep('x', 1e9)", "error('x')", "local t = {} while true do t[#t + 1] = {} end"] {
        let vm = load(&[&function(&format!("if data.bad then {body} end return true"))]);
        for _ in 0..3 {
            assert!(vm.run(&delivery(json!({ "bad": true }))).is_err(), "{body}");
            assert!(!vm.is_full(), "{body}");
            assert_eq!(vm.run(&delivery(json!({}))), Ok(()), "{body}");
        }
    }
}

#[test]
fn state_stays_from_one_call_to_the_next() {
    let vm = load(&[&function("state.calls = (state.calls or 0) + data.count log(state.calls) return true")]);
    for _ in 0..3 {
        vm.run(&delivery(json!({}))).unwrap();
    }
    assert_eq!(vm.said(), ["2", "4", "6"]);
    let sets = "state.n = 1 mine = { n = 1 } return function() state.n += 1 mine = { n = mine.n + 1 } return true end";
    let vm = load(&[sets, &function("log(state.n, mine.n) state = { n = state.n * 10 } return true")]);
    for _ in 0..2 {
        vm.run(&delivery(json!({}))).unwrap();
    }
    assert_eq!(vm.said(), ["2 2", "21 3"], "what another function or an earlier call set is seen");
}

#[test]
fn a_state_that_keeps_too_much_is_full() {
    let vm = load(&[&function("state[#state + 1] = string.rep('x', 1000000) .. #state return true")]);
    let runs = (0..20).take_while(|_| vm.run(&delivery(json!({}))).is_ok() && !vm.is_full()).count();
    assert!((4..=8).contains(&runs), "{runs}");
    let vm = load(&[&function("local s = string.rep('x', 10000000) return true")]);
    vm.run(&delivery(json!({}))).unwrap();
    assert!(!vm.is_full(), "what is not kept does not count");
}

#[test]
fn log_is_bounded() {
    let (result, said) = run(&["for i = 1, 100 do log(i) end return true"]);
    assert_eq!((result, said.len()), (Ok(()), 17));
    assert_eq!(said[16], "84 lines more were left out; a delivery may log 16");
    let (_, said) = run(&["log(string.rep('x', 1000000), string.rep('y', 1000000)) log('a\\nb\\0c') return true"]);
    assert_eq!(said[0].chars().count(), 4097);
    assert_eq!(said[1], "a\\nb\\u{0}c");
    says("print('a', 1, nil, true, {})", "a 1 null true {}");
    says("log(print, 1 / 0)", "(function) inf");
    says("log(select(2, pcall(json.encode, print)))", "line 2: json.encode: a function has no JSON");
    says("log('\\255')", "\u{fffd}");
}

#[test]
fn json_comes_and_goes() {
    let check = |value: &str, json: &str| says(&format!("log(json.encode({value}))"), json);
    check("{1, 'a', {true}}", "[1,\"a\",[true]]");
    check("{}", "{}");
    check("{a = 1.5}", "{\"a\":1.5}");
    check("{[1] = 'x', [3] = 'y'}", "{\"1\":\"x\",\"3\":\"y\"}");
    check("'q\"\\n'", "\"q\\\"\\n\"");
    check("1700000000123", "1700000000123");
    check("json.decode('{\"a\":[1,{\"b\":null}]}')", "{\"a\":[1,{}]}");
    fails("json.encode(print)", "a function has no JSON");
    fails("json.encode(0/0)", "has no JSON");
    fails("local t = {} t.t = t json.encode(t)", "more than 64 deep");
    fails("local t = {1} for _ = 1, 60 do t = {t, t} end json.encode(t)", "longer than 64 KiB");
    fails("json.encode(string.rep('x', 1e6))", "longer than 64 KiB");
    fails("json.encode(table.create(500000, 0))", "longer than 64 KiB");
    fails("json.decode(string.rep('[', 1000))", "recursion limit");
    fails("json.decode(string.rep(' ', 1e6))", "longer than 64 KiB");
}

#[test]
fn the_sample_has_what_an_event_has() {
    let body = "assert(data.consumer and data.service and data.limit and data.count == 1 and data.first_at and event and pid)";
    assert_eq!(refusal(&function(body)), None);
    let all: Vec<&EventKind> = sluice_events::SOURCES.iter().flat_map(|source| source.events).collect();
    let vm = load(&[&function("assert(data.count == 1 and data.last_at) json.encode(data) return true")]);
    assert_eq!(vm.try_on(&all), []);
}
