//! gateway.toml: whatever stands in it is read, or refused with words, and what the environment holds is never shown.
#![no_main]

use std::io;
use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use sluice_config::{Environment, Source, read};
use sluice_hooks::Egress;
use sluice_plugins::{Consumers, Limiters};
use sluice_proxy::Router;

const SECRET: &str = "Tr0ub4dor-and-3";

struct Secrets;

impl Environment for Secrets {
    fn variable(&self, name: &str) -> Option<String> {
        (name != "UNSET").then(|| SECRET.to_owned())
    }

    fn file(&self, _path: &Path) -> io::Result<String> {
        Ok(SECRET.to_owned())
    }
}

fuzz_target!(|text: &str| {
    let mut draft = read(Source::new("gateway.toml", text), &Secrets);
    let consumers = Consumers::new(&draft.config);
    let plugins = sluice_plugins::build(&draft.config, &consumers, &Arc::default(), &Limiters::default());
    draft.problems.extend(plugins.err().unwrap_or_default());
    draft.problems.extend(sluice_hooks::build(&draft.config.event_hooks, &Egress::default()).1);
    match draft.finish() {
        Ok(config) => drop(Router::new(config.routes.iter().enumerate())),
        Err(problems) => {
            let told = problems.to_string();
            assert!(!told.contains(SECRET) || text.contains(SECRET), "a secret is shown:\n{told}");
        }
    }
});
