//! Hooks that call functions in Lua: registered by file and by curl, refused when they cannot work, and harmless.

use serde_json::{Value, json};

use crate::harness::{Behaviour, Gateway, Received, Receiver, Server, eventually, httpbin, run};

/// A service that admits a client once a year; Joe has a route of his own.
fn config(upstream: &Server, hooks: &str) -> String {
    format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n\
         [consumers.Joe]\nkey-auth = [{{ key = \"joe-key\" }}]\n[routes.joe]\nservice = \"demo\"\npaths = [\"/joe\"]\n[routes.joe.plugins.key-auth]\n\
         [services.demo.plugins.rate-limiting-advanced]\nlimit = [1]\nwindow_size = [31536000]\nwindow_type = \"fixed\"\n{hooks}",
        upstream.url("/anything")
    )
}

fn lambda(name: &str, body: &str, more: &str) -> String {
    format!(
        "[event_hooks.{name}]\nsource = \"rate-limiting-advanced\"\nevent = \"rate-limit-exceeded\"\nhandler = \"lambda\"\n{more}\n\
         config.functions = ['''\nreturn function(data, event, source, pid)\n{body}\nend''']\n"
    )
}

/// Spends the one request, and then is refused this often.
fn exceed(gateway: &Gateway, path: &str, headers: &[(&str, &str)], times: usize) {
    gateway.get(path, headers);
    for _ in 0..times {
        assert_eq!(gateway.get(path, headers).status, 429);
    }
}

/// A counter of the first hook, once it is this much.
fn counter(gateway: &Gateway, name: &str, least: u64) -> u64 {
    eventually(&format!("{name} is {least}"), || {
        gateway.admin("GET", "/status", "").json()["event_hooks"][0][name].as_u64().filter(|count| *count >= least)
    })
}

#[test]
fn a_function_logs_joes_rejection() {
    let upstream = httpbin();
    let body = "log(`{data.consumer.username or 'nobody'} at {data.service.name}: {data.rate} of {data.limit} a {data.window}, {data.count} time(s), {event}`)\nreturn true";
    let gateway = Gateway::start(&config(&upstream, &lambda("who", body, "")));
    exceed(&gateway, "/joe", &[("apikey", "joe-key")], 1);
    let line = gateway.wait_for_log("Joe at demo: 2 of 1 a year, 1 time(s), rate-limit-exceeded");
    assert!(line.contains("sluice::hook") && line.contains("who"), "{line}");
    exceed(&gateway, "/demo", &[], 1);
    gateway.wait_for_log("nobody at demo: 2 of 1");
    assert_eq!(counter(&gateway, "delivered", 2), 2);
}

#[test]
fn a_function_is_registered_by_curl() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream, ""));
    let hooks = format!("http://{}/event-hooks", gateway.admin);
    let function =
        "return function(data, event, source, pid) log('pid ' .. pid .. ': ' .. data.ip .. ' by ' .. source) return true end";
    let functions = [format!("config.functions={function}"), format!("config.functions[]={function}")];
    for functions in &functions {
        let mut args = vec!["-sS", "-X", "POST", &hooks];
        let fields = ["source=rate-limiting-advanced", "event=rate-limit-exceeded", "handler=lambda", functions];
        fields.iter().for_each(|field| args.extend(["--data-urlencode", field]));
        let entity: Value = serde_json::from_str(&run("curl", &args)).unwrap();
        assert_eq!((&entity["handler"], &entity["config"]), (&json!("lambda"), &json!({ "functions": [function] })), "{entity}");
    }
    assert_eq!(gateway.config_text().matches("handler = \"lambda\"").count(), 2);
    exceed(&gateway, "/demo", &[], 1);
    let line = gateway.wait_for_log(": 127.0.0.1 by rate-limiting-advanced");
    assert!(line.contains("pid "), "{line}");
}

#[test]
fn a_bad_function_is_refused_by_the_field_that_names_it() {
    let gateway = Gateway::start("");
    let before = gateway.config_text();
    let check = |functions: Value, expected: Value, message: &str| {
        let hook = json!({
            "source": "rate-limiting-advanced", "event": "rate-limit-exceeded", "handler": "lambda", "config": { "functions": functions }
        });
        let answer = gateway.admin("POST", "/event-hooks", &hook.to_string());
        let error = answer.json();
        assert_eq!((answer.status, &error["name"], &error["code"]), (400, &json!("schema violation"), &json!(2)), "{error}");
        let told = &error["fields"]["config"]["functions"];
        assert_eq!(told.as_array().map(Vec::len), expected.as_array().map(Vec::len), "{error}");
        assert!(told.to_string().contains(message), "{message}: {error}");
    };
    let good = "return function() return true end";
    check(json!(["return function() retrun true end"]), json!([0]), "it does not compile: line 1: ");
    check(json!([good, "\n\nerror('oh no')"]), json!([0, 0]), "it fails: line 3: oh no");
    check(json!([good, good, "return 5"]), json!([0, 0, 0]), "it must return a function, and returned a number");
    check(
        json!(["return function(data)\n return data.consumer.usrname .. '!' end"]),
        json!([0]),
        "it fails on a sample of the event \\\"rate-limit-exceeded\\\": line 2: attempt to concatenate nil with string",
    );
    check(json!(["return function() while true do end end"]), json!([0]), "it has run for more than 50 ms");
    check(json!(["return function() string.rep('x', 1e9) end"]), json!([0]), "it needs more than 16 MiB of memory");
    check(json!(["return function() os.execute('true') end"]), json!([0]), "attempt to call a nil value");
    check(json!([]), json!(null), "there are 0 functions");
    check(json!(null), json!(null), "required field missing");
    check(json!(good), json!(null), "expected");
    assert_eq!(gateway.config_text(), before);
}

#[test]
fn what_fails_is_tried_again_and_state_is_kept() {
    let upstream = httpbin();
    let body = "state.tries = (state.tries or 0) + 1\nlog('try ' .. state.tries)\nif state.tries == 2 then error('not yet') end\nreturn state.tries > 2";
    let gateway =
        Gateway::start(&config(&upstream, &lambda("third", body, "retry = { schedule = [\"20ms\", \"20ms\", \"20ms\"] }")));
    exceed(&gateway, "/demo", &[], 1);
    assert_eq!(counter(&gateway, "delivered", 1), 1);
    assert_eq!(counter(&gateway, "retried", 2), 2);
    gateway.wait_for_log("try 3");
    let line = gateway.wait_for_log("a delivery failed and is tried again");
    assert!(line.contains("config.functions[0]: it returned false and not true"), "{line}");
    // A hook that changes begins with nothing.
    gateway.edit_by_rename(|text| text.replace("'try '", "'again '"));
    eventually("the change is in force", || (gateway.version() > 1).then_some(()));
    exceed(&gateway, "/demo", &[], 1);
    gateway.wait_for_log("again 1");
}

#[test]
fn functions_that_do_not_end_stop_no_other_hook_and_no_request() {
    let upstream = httpbin();
    let receiver = Receiver::start(Behaviour::Status(200));
    // On the sample, whose limit is 3, they behave.
    let retry = "concurrency = 2\nretry = { schedule = [\"10ms\", \"10ms\", \"10ms\"] }";
    let hooks = [
        lambda("loop", "while data.limit == 1 do pcall(function() while true do end end) end return true", retry),
        lambda("loop2", "while data.limit == 1 do end return true", retry),
        lambda("bomb", "if data.limit == 1 then string.rep('x', 1e9) end return true", retry),
        lambda("hoard", "while data.limit == 1 do state[#state + 1] = {} end return true", retry),
        lambda("polite", "log('polite ' .. data.count) return true", ""),
        format!(
            "[event_hooks.webhook]\nsource = \"rate-limiting-advanced\"\nevent = \"rate-limit-exceeded\"\nhandler = \"webhook\"\nconfig.url = \"{}\"\n",
            receiver.url()
        ),
    ];
    let gateway = Gateway::start(&config(&upstream, &hooks.concat()));
    exceed(&gateway, "/demo", &[], 20);
    let told = receiver.wait_until("every rejection", |all| all.iter().map(Received::count).sum::<u64>() >= 20);
    assert_eq!(told.iter().map(Received::count).sum::<u64>(), 20);
    gateway.wait_for_log("polite 1");
    assert!(counter(&gateway, "failed", 1) >= 1, "after four tries it is given up");
    gateway.wait_for_log("it has run for more than 50 ms");
    gateway.wait_for_log("it needs more than 16 MiB of memory");
    assert_eq!(gateway.get("/demo", &[]).status, 429);
}
