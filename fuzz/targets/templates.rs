//! Templates: one that is taken prints on every sample, and what a client says never becomes a line of its own.
#![no_main]

use std::sync::{Arc, LazyLock};

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use sluice_config::{Config, Draft, ProcessEnvironment, Source, read};
use sluice_hooks::Egress;
use sluice_plugins::{Consumers, Limiters, Memory, UpstreamRequest};

static ASKED: LazyLock<Parts> = LazyLock::new(|| {
    let asked = http::Request::get("/a?q=1&q=%0D%0Ax").header("x-a", "1").header("x-consumer-username", "root");
    asked.body(()).expect("a sound request").into_parts().0
});

// Where the template stands, and the template.
fuzz_target!(|text: &str| {
    let Some((place, template)) = text.split_once('\n') else { return };
    let config = match place {
        "transformer" => return transform(template),
        "json" => json!({ "headers": { "content-type": "application/json" }, "body": template }),
        "body" => json!({ "body": template }),
        "header" => json!({ "headers_format": true, "headers": { "x-a": template } }),
        _ => json!({ "headers": { "content-type": "application/json" }, "payload": { "text": template } }),
    };
    let mut hook = json!({
        "source": "rate-limiting-advanced", "event": "rate-limit-exceeded", "handler": "webhook-custom",
        "config": { "url": "http://127.0.0.1:1", "method": "POST" },
    });
    hook["config"].as_object_mut().expect("it is one").extend(config.as_object().expect("it is one").clone());
    let draft = draft(&json!({ "event_hooks": { "one": hook } }));
    let _ = sluice_hooks::build(&draft.config.event_hooks, &Egress::default());
});

fn draft(file: &serde_json::Value) -> Draft {
    // `${` is not what is tried here.
    let text = toml::to_string(file).expect("it fits TOML").replace("${", "$${");
    read(Source::new("gateway.toml", text), &ProcessEnvironment)
}

/// A template of `request-transformer`, in a header and in an argument.
fn transform(template: &str) {
    let add = json!({ "headers": [format!("x-b:{template}")], "querystring": [format!("b:{template}")] });
    let config: Config = draft(&json!({ "plugins": { "request-transformer": { "add": add } } })).config;
    let built = sluice_plugins::build(&config, &Consumers::new(&config), &Arc::default(), &Limiters::default());
    for one in built.unwrap_or_default() {
        let mut request = Upstream(ASKED.clone());
        one.plugin.on_upstream_request(&Memory::default(), &mut request);
        let said = request.0.headers.get("x-b").map_or(&[][..], HeaderValue::as_bytes);
        assert!(!said.contains(&b'\n') && !said.windows(4).any(|part| part == b"root"), "{said:?}");
    }
}

struct Upstream(Parts);

impl UpstreamRequest for Upstream {
    fn set_header(&mut self, name: &HeaderName, value: HeaderValue) {
        self.0.headers.insert(name, value);
    }

    fn remove_header(&mut self, name: &HeaderName) {
        self.0.headers.remove(name);
    }

    fn remove_query(&mut self, _name: &str) {}

    fn whole(&mut self) -> Option<&mut Parts> {
        Some(&mut self.0)
    }
}
