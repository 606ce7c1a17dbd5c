//! Plugin `concurrency-limiting`: how many requests of a client may be in flight at the same time. Sluice's own.
//!
//! The permit of a request lives in its memory, so it comes back when the request ends, however it ends.

use std::sync::Arc;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::Problem;
use sluice_events::{ConcurrencyLimitExceeded, Emitter};
use sluice_limits::InFlight;

use crate::cx::Cx;
use crate::limiting::{ClientKey, CounterKey, Exempt, Exemptions, Identifier, Identity, ipv6_prefix, status, too_many_requests};
use crate::plugin::{BuildCx, Configured, Flow, Phases, Plugin};
use crate::reply::Reply;

/// The plugin.
pub struct ConcurrencyLimiting {
    exempt: Exemptions,
    client: ClientKey,
    in_flight: Arc<InFlight>,
    shadow: bool,
    status: StatusCode,
    message: String,
    exceeded: Emitter<ConcurrencyLimitExceeded>,
}

/// Options of `concurrency-limiting`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// How many requests of one client may be in flight at the same time. A connection that was upgraded, such as a
    /// WebSocket, is one until it is closed.
    #[schemars(range(min = 1))]
    limit: u32,
    /// What makes two requests those of one client. Where it is missing, the IP address counts.
    #[serde(default)]
    identifier: Identifier,
    /// Several identifiers that make two requests those of one client together; counts instead of `identifier`.
    #[serde(default)]
    compound_identifier: Option<Vec<Identifier>>,
    /// By what of a consumer requests are counted: its id, if nothing is said.
    #[serde(default)]
    counter_key: Option<CounterKey>,
    /// The header of `identifier = "header"`.
    #[serde(default)]
    header_name: Option<String>,
    /// The path of `identifier = "path"`.
    #[serde(default)]
    path: Option<String>,
    /// How many bits of an IPv6 address are one client.
    #[serde(default = "ipv6_prefix")]
    #[schemars(range(min = 1, max = 128))]
    ipv6_prefix: u64,
    /// Who is not limited: not counted.
    #[serde(default)]
    exempt: Exempt,
    /// Whether the limit only looks on: events tell of it, nobody is refused.
    #[serde(default)]
    shadow: bool,
    /// The status of a refusal.
    #[serde(default = "too_many_requests")]
    error_code: u16,
    /// The message of a refusal.
    #[serde(default = "exceeded")]
    error_message: String,
}

impl Configured for ConcurrencyLimiting {
    const NAME: &'static str = "concurrency-limiting";
    const SUMMARY: &'static str = "Limits how many requests of a client may be in flight at the same time";
    /// After the limits on rates: a request that is held there is not in flight yet.
    const PRIORITY: u32 = 905;
    const PHASES: Phases = Phases { request: true, ..Phases::NONE };
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if options.limit == 0 {
            problems.push(cx.block.problem_at("limit", "must be at least 1").help("write `enabled = false` to switch it off"));
        }
        let client = options.identity().check(cx, &mut problems);
        let exempt = options.exempt.check(cx, &mut problems);
        let status = status(options.error_code, cx, &mut problems);
        match (client, status) {
            (Some(client), Some(status)) if problems.is_empty() => Ok(Self {
                exempt,
                client,
                in_flight: cx.limiters.in_flight(&cx.block.path().to_string(), options.limit),
                shadow: options.shadow,
                status,
                message: options.error_message,
                exceeded: cx.bus.emitter(),
            }),
            _ => Err(problems),
        }
    }
}

impl Options {
    fn identity(&self) -> Identity<'_> {
        Identity {
            counter_key: self.counter_key,
            header_name: self.header_name.as_deref(),
            path: self.path.as_deref(),
            ipv6_prefix: self.ipv6_prefix,
            ..Identity::by(&self.identifier, self.compound_identifier.as_deref())
        }
    }
}

impl Plugin for ConcurrencyLimiting {
    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        if self.exempt.hold(cx) {
            return Flow::Continue;
        }
        if let Some(permit) = self.in_flight.acquire(self.client.of(cx)) {
            cx.memory.permit = Some(permit);
            return Flow::Continue;
        }
        self.exceeded.emit(|| ConcurrencyLimitExceeded {
            consumer: cx.memory.consumer.as_ref().map(|consumer| consumer.entity.clone()),
            ip: cx.client_ip,
            service: cx.service.cloned(),
            route: Some(cx.route.clone()),
            limit: self.in_flight.limit(),
            shadow: self.shadow,
        });
        if self.shadow { Flow::Continue } else { Flow::Respond(Reply::error(self.status, self.message.clone())) }
    }
}

fn exceeded() -> String {
    "Too many requests in flight".into()
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, check_problems};
    use crate::{Body, Flow, Memory};

    fn bench(options: &str) -> Bench {
        Bench::new(&format!("[plugins.concurrency-limiting]\n{options}"))
    }

    #[test]
    fn a_request_that_ends_makes_room_for_the_next() {
        let bench = bench("limit = 2");
        let mut memories: Vec<Memory> = (0..3).map(|_| Memory::default()).collect();
        let mut ask = |memory: usize| matches!(bench.ask_with(&mut memories[memory]), Flow::Continue);
        assert_eq!([ask(0), ask(1), ask(2)], [true, true, false]);
        memories.remove(0);
        let mut next = Memory::default();
        assert!(matches!(bench.ask_with(&mut next), Flow::Continue));
        assert!(matches!(bench.ask_with(&mut Memory::default()), Flow::Respond(_)));
    }

    #[test]
    fn a_refused_request_takes_no_place() {
        let bench = bench("limit = 1");
        let mut first = Memory::default();
        assert!(matches!(bench.ask_with(&mut first), Flow::Continue));
        let mut refused = Memory::default();
        assert!(matches!(bench.ask_with(&mut refused), Flow::Respond(_)));
        drop(first);
        assert!(matches!(bench.ask_with(&mut Memory::default()), Flow::Continue), "though the refused one lives on");
    }

    #[test]
    fn a_request_that_is_asked_about_again_has_one_place() {
        let bench = bench("limit = 2");
        let mut memory = Memory::default();
        assert!(matches!(bench.ask_with(&mut memory), Flow::Continue));
        assert!(matches!(bench.ask_with(&mut memory), Flow::Continue));
        assert!(matches!(bench.ask_with(&mut Memory::default()), Flow::Continue));
    }

    #[test]
    fn clients_are_apart_and_who_is_exempt_is_not_counted() {
        let mut bench = bench("limit = 1\nidentifier = \"ip\"\nexempt = { ips = [\"192.0.2.9\"] }");
        let mut flying = Vec::new();
        for (ip, admitted) in
            [("192.0.2.1", true), ("192.0.2.1", false), ("192.0.2.2", true), ("192.0.2.9", true), ("192.0.2.9", true)]
        {
            assert_eq!(bench.ask("/", &[], ip).is_none(), admitted, "{ip}");
            flying.push(std::mem::take(&mut bench.memory));
        }
    }

    #[test]
    fn a_refusal_says_so_and_is_an_event() {
        let check = |options: &str, status: u16, message: &str| {
            let bench = bench(&format!("limit = 1\n{options}"));
            let mut first = Memory::default();
            assert!(matches!(bench.ask_with(&mut first), Flow::Continue));
            let Flow::Respond(reply) = bench.ask_with(&mut Memory::default()) else { panic!("a refusal") };
            assert_eq!(reply.status.as_u16(), status);
            assert!(matches!(&reply.body, Body::Message(told) if told == message));
            let events = bench.events();
            assert_eq!(events[0].0, "concurrency-limiting/concurrency-limit-exceeded");
            assert_eq!((&events[0].1["limit"], events[0].1.get("shadow")), (&1.into(), None));
        };
        check("", 429, "Too many requests in flight");
        check("error_code = 503\nerror_message = \"full\"", 503, "full");
    }

    #[test]
    fn in_shadow_nobody_is_refused() {
        let bench = bench("limit = 1\nshadow = true");
        let mut memories: Vec<Memory> = (0..3).map(|_| Memory::default()).collect();
        assert!(memories.iter_mut().all(|memory| matches!(bench.ask_with(memory), Flow::Continue)));
        let events = bench.events();
        assert_eq!((events.len(), &events[0].1["shadow"]), (2, &true.into()));
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        let check =
            |options: &str, expected: &[&str]| check_problems(&format!("[plugins.concurrency-limiting]\n{options}"), expected);
        check("limit = 1", &[]);
        check("", &["required field missing: limit"]);
        check("limit = 0", &["limit: must be at least 1"]);
        check("limit = 1\nidentifier = \"header\"", &["required field missing: header_name"]);
        check("limit = 1\npath = \"/\"", &["path: `path` has no effect"]);
        check("limit = 1\nerror_code = 200", &["error_code"]);
        check("limit = 1\nexempt = { ips = [\"x\"] }", &["exempt.ips[0]"]);
        check("limit = 1\nwindow_size = [1]", &["window_size: unknown key"]);
    }
}
