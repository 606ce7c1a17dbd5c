//! `/metrics`: what the gateway counts, for Prometheus. No plugin is needed for it.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;

use crate::control::{Control, Status};
use crate::exposition::Exposition;
use crate::{App, Shared};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): Shared) -> Response {
    let mut response = Response::new(Body::from(text(&app)));
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

fn text(app: &App) -> String {
    let mut out = Exposition::default();
    let control = &*app.control;
    out.gauge("sluice_build_info", "The version that runs.").sample(&[("version", app.options.version)], 1);
    configuration(&control.status(), &mut out);
    control.measure(&mut out);
    limits(control, &mut out);
    hooks(control, &mut out);
    out.into_text()
}

fn configuration(status: &Status, out: &mut Exposition) {
    out.gauge("sluice_config_version", "The version of the configuration in force.").value(status.version);
    out.gauge("sluice_config_applied_timestamp_seconds", "When it was applied.").value(status.applied_at);
    let mut changes =
        out.counter("sluice_config_changes_total", "Changes of the configuration since the start, by what became of them.");
    changes.sample(&[("result", "applied")], status.version.saturating_sub(1));
    changes.sample(&[("result", "refused")], status.refused);
    out.gauge("sluice_config_problems", "Problems of the last change, if it was refused.").value(status.problems.len());
    out.counter("sluice_requests_total", "Requests since the start.").value(status.total_requests);
    out.gauge("sluice_requests_active", "Requests under way.").value(status.active_requests);
}

fn limits(control: &dyn Control, out: &mut Exposition) {
    let limiters = control.limiters();
    let budget = limiters.budget();
    out.gauge("sluice_limits_keys", "Clients that all limits together remember one by one.").value(budget.keys());
    out.gauge("sluice_limits_keys_max", "How many there may be.").value(budget.max_keys());
    out.counter("sluice_limits_overflowed_total", "Checks that found no room, and were counted for the client's network.")
        .value(budget.overflowed());
    let all = limiters.limits();
    let shown: Vec<_> = all.iter().map(|limit| limit.shown()).collect();
    let mut limited = out.gauge("sluice_limit_clients_limited", "Clients that a limit refuses now.");
    shown.iter().for_each(|one| limited.sample(&[("limiter", one.limiter), ("plugin", one.plugin)], one.limited));
    let mut keys = out.gauge("sluice_limit_keys", "Clients that a limit remembers, by window.");
    for one in &shown {
        for window in &one.windows {
            keys.sample(&[("limiter", one.limiter), ("plugin", one.plugin), ("window", &window.window.label())], window.keys);
        }
    }
}

fn hooks(control: &dyn Control, out: &mut Exposition) {
    let stats = control.engine().stats();
    let mut matched = out
        .counter("sluice_hook_events_matched_total", "Events that a hook wants: all that have an outcome, and those that wait.");
    stats.iter().for_each(|hook| matched.sample(&[("hook", &hook.name)], hook.matched));
    let mut events = out.counter("sluice_hook_events_total", "What became of them: failed ones are dead letters.");
    for hook in &stats {
        let outcomes = [
            ("delivered", hook.delivered),
            ("filtered", hook.filtered),
            ("swallowed", hook.swallowed),
            ("failed", hook.failed),
            ("dropped", hook.dropped),
        ];
        outcomes.iter().for_each(|(outcome, count)| events.sample(&[("hook", &hook.name), ("outcome", outcome)], count));
    }
    let mut waiting = out.gauge("sluice_hook_events_waiting", "Events that wait for a try or for another one.");
    stats.iter().for_each(|hook| waiting.sample(&[("hook", &hook.name)], hook.waiting));
    let mut retries =
        out.counter("sluice_hook_retries_total", "Events whose delivery was to be tried again, once for each time.");
    stats.iter().for_each(|hook| retries.sample(&[("hook", &hook.name)], hook.retried));
    let mut state = out.gauge("sluice_hook_state", "Whether a hook is active, paused or disabled.");
    stats.iter().for_each(|hook| state.sample(&[("hook", &hook.name), ("state", hook.state)], 1));
    let outbox = control.engine().outbox();
    out.gauge("sluice_outbox_ok", "Whether deliveries are kept on the disk.").value(u8::from(outbox.state == "ok"));
    out.counter("sluice_outbox_degraded_total", "How often they could not be.").value(outbox.degraded);
}
