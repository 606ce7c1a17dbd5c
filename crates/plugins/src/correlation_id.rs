//! Plugin `correlation-id`: every request has an id, its client's or a new one, and the upstream is told it.
//!
//! It is asked before all others, as Kong's since 3.0, so that refusals carry the id as well.

use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::Problem;
use uuid::Uuid;

use crate::cx::{Cx, Memory, UpstreamRequest};
use crate::plugin::{BuildCx, Configured, Flow, Phases, Plugin};

/// The plugin.
pub struct CorrelationId {
    /// The name as clients are shown it.
    shown: String,
    header: HeaderName,
    generator: Generator,
    /// What the ids of a counter begin with.
    begin: Uuid,
    counter: AtomicU64,
    echo: bool,
}

/// Options of `correlation-id`, as Kong's.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The header that has the id.
    #[serde(default = "header_name")]
    header_name: String,
    /// How an id is made for who brings none: `uuid`, or `uuid#counter`, which is one for all and a number.
    #[serde(default)]
    generator: Generator,
    /// Whether the client is told the id.
    #[serde(default)]
    echo_downstream: bool,
}

/// How an id is made.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema, Serialize)]
enum Generator {
    /// By chance.
    #[serde(rename = "uuid")]
    Uuid,
    /// One for all and a number.
    #[default]
    #[serde(rename = "uuid#counter")]
    Counter,
    /// Kong's number of a connection and of a request on it: refused.
    #[serde(rename = "tracker")]
    Tracker,
}

impl Configured for CorrelationId {
    const NAME: &'static str = "correlation-id";
    const SUMMARY: &'static str = "Gives every request an id";
    const PRIORITY: u32 = 100_001;
    const PHASES: Phases = Phases { request: true, upstream_request: true, ..Phases::NONE };
    const CONSUMER_SCOPE: bool = false;
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        let Ok(header) = HeaderName::try_from(&options.header_name) else {
            return Err(vec![cx.block.problem_at("header_name", format!("`{}` is no header name", options.header_name))]);
        };
        if matches!(options.generator, Generator::Tracker) {
            let problem =
                cx.block.problem_at("generator", "\"tracker\" names connections by numbers, and nothing here counts them");
            return Err(vec![problem.help("write \"uuid\" or \"uuid#counter\"")]);
        }
        Ok(Self {
            shown: options.header_name,
            header,
            generator: options.generator,
            begin: random(),
            counter: AtomicU64::new(0),
            echo: options.echo_downstream,
        })
    }
}

impl CorrelationId {
    fn new_id(&self) -> HeaderValue {
        let id = match self.generator {
            Generator::Uuid => random().to_string(),
            Generator::Counter | Generator::Tracker => {
                format!("{}#{}", self.begin, self.counter.fetch_add(1, Ordering::Relaxed) + 1)
            }
        };
        HeaderValue::try_from(id).expect("ids are ASCII")
    }
}

/// No secret: quickly made.
fn random() -> Uuid {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid()
}

impl Plugin for CorrelationId {
    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        let brought = cx.request.headers.get(&self.header).filter(|id| !id.is_empty()).cloned();
        let id = brought.unwrap_or_else(|| self.new_id());
        if self.echo {
            cx.memory.response_headers.line(&self.shown, id.as_bytes());
        }
        cx.memory.correlation = Some(id);
        Flow::Continue
    }

    fn on_upstream_request(&self, memory: &Memory, request: &mut dyn UpstreamRequest) {
        if let Some(id) = &memory.correlation {
            request.set_header(&self.header, id.clone());
        }
    }
}

fn header_name() -> String {
    "Kong-Request-ID".into()
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, check_problems};

    fn bench(options: &str) -> Bench {
        Bench::new(&format!("[plugins.correlation-id]\n{options}"))
    }

    #[test]
    fn an_id_is_made_or_kept_and_told_if_asked_for() {
        let mut bench = bench("echo_downstream = true\nheader_name = \"X-Id\"");
        bench.ask("/", &[("x-id", "mine")], "192.0.2.1");
        assert_eq!(bench.left("X-Id"), Some("mine"));
        for (brought, counter) in [(&[][..], "#1"), (&[("x-id", "")], "#2")] {
            bench.ask("/", brought, "192.0.2.1");
            assert!(bench.left("X-Id").is_some_and(|id| id.ends_with(counter) && id.len() == 38), "{:?}", bench.left("X-Id"));
        }
    }

    #[test]
    fn ids_by_chance_are_different_and_not_told_unless_asked_for() {
        let mut bench = bench("generator = \"uuid\"");
        let mut next = || {
            bench.ask("/", &[], "192.0.2.1");
            (bench.memory.correlation.clone().expect("there is one"), bench.left("Kong-Request-ID").is_some())
        };
        let (first, second) = (next(), next());
        assert_ne!(first, second);
        assert_eq!((first.0.len(), first.1), (36, false));
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        check_problems("[plugins.correlation-id]\nheader_name = \"a b\"", &["header_name"]);
        check_problems("[plugins.correlation-id]\ngenerator = \"tracker\"", &["generator"]);
    }
}
