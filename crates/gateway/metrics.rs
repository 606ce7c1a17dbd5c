//! What is shown at `/metrics` of requests, connections, events and the process.

use sluice_admin::Exposition;
use sluice_events::Bus;
use sluice_proxy::{AddressHealth, BOUNDS, Snapshot, Sums, Times, Traffic};

use crate::access_log::AccessLog;

/// What was counted of a route: its name, its service's, the sums.
type OfRoute<'a> = (&'a str, &'a str, Sums);

/// Requests by route and service; those of no route have neither.
pub fn requests(snapshot: &Snapshot, traffic: &Traffic, out: &mut Exposition) {
    let all: Vec<OfRoute<'_>> = snapshot.sums().chain([("", "", traffic.unrouted())]).collect();
    let mut counts = |name, help, of: fn(&Sums) -> &[(&'static str, u64)], label: &str| {
        let mut family = out.counter(name, help);
        for (route, service, sums) in &all {
            for (value, count) in of(sums) {
                family.sample(&[("service", service), ("route", route), (label, value)], count);
            }
        }
    };
    counts(
        "sluice_http_requests_total",
        "Requests that have ended, by status; 499 is a client that did not wait. Rare statuses are counted by class.",
        |sums| &sums.codes,
        "code",
    );
    counts("sluice_http_refused_total", "Requests that a plugin answered, by plugin.", |sums| &sums.refused, "plugin");
    numbers(&all, out);
    times(&all, out);
}

fn numbers(all: &[OfRoute<'_>], out: &mut Exposition) {
    let mut under_way = out.gauge("sluice_http_requests_active", "Requests under way that have a route.");
    for (route, service, sums) in all.iter().filter(|(route, ..)| !route.is_empty()) {
        under_way.sample(&[("service", service), ("route", route)], sums.under_way);
    }
    let mut bytes = out.counter("sluice_http_body_bytes_total", "Bytes of bodies, from clients and to them.");
    for (route, service, sums) in all {
        bytes.sample(&[("service", service), ("route", route), ("direction", "in")], sums.received);
        bytes.sample(&[("service", service), ("route", route), ("direction", "out")], sums.sent);
    }
    let mut retries = out
        .counter("sluice_upstream_failures_total", "Connections to upstreams that failed, be it that another was tried or not.");
    for (route, service, sums) in all.iter().filter(|(route, ..)| !route.is_empty()) {
        retries.sample(&[("service", service), ("route", route)], sums.retries);
    }
}

fn times(all: &[OfRoute<'_>], out: &mut Exposition) {
    let bounds = BOUNDS.map(|micros| micros as f64 / 1e6);
    let mut show = |name, help, of: fn(&Sums) -> &Times| {
        let mut family = out.histogram(name, help);
        for (route, service, sums) in all.iter().filter(|(.., sums)| of(sums).count() > 0) {
            let times = of(sums);
            family.times(&[("service", service), ("route", route)], (&bounds, &times.counts), times.micros as f64 / 1e6);
        }
    };
    show(
        "sluice_http_request_duration_seconds",
        "How long requests took, from their heads to the ends of their answers.",
        |sums| &sums.took,
    );
    show("sluice_upstream_latency_seconds", "How long upstreams took to begin their answers.", |sums| &sums.upstream_took);
}

/// The targets of upstreams, each address by itself.
pub fn upstreams(snapshot: &Snapshot, out: &mut Exposition) {
    let all = snapshot.upstreams();
    let mut show = |name, help, of: fn(&AddressHealth) -> u32| {
        let mut family = out.gauge(name, help);
        for upstream in &all {
            for target in &upstream.targets {
                for address in &target.addresses {
                    let at = if address.port == 0 { address.ip.clone() } else { format!("{}:{}", address.ip, address.port) };
                    let labels = [("upstream", &*upstream.name), ("target", &*target.target), ("address", &*at)];
                    family.sample(&labels, of(address));
                }
            }
        }
    };
    show("sluice_upstream_target_health", "Whether a target's address is healthy (1) or passed over (0).", |one| {
        one.healthy.into()
    });
    show("sluice_upstream_target_requests_active", "Requests that are at a target's address.", |one| one.in_flight);
}

/// Connections, events and the access log.
pub fn around(traffic: &Traffic, bus: &Bus, log: &AccessLog, out: &mut Exposition) {
    let connections = traffic.connections();
    let mut accepted = out.counter("sluice_connections_accepted_total", "Connections of clients since the start.");
    accepted.sample(&[("tls", "false")], connections.plain);
    accepted.sample(&[("tls", "true")], connections.tls);
    out.gauge("sluice_connections_open", "Connections of clients that are open.").value(connections.open);
    out.counter("sluice_tls_handshakes_failed_total", "Connections that did not come in, since their TLS handshake failed.")
        .value(traffic.failed_handshakes());
    let mut refused =
        out.counter("sluice_clients_refused_total", "Requests and connections that were refused for how they came, by reason.");
    for (reason, count) in traffic.complaints().counts() {
        refused.sample(&[("reason", reason.name())], count);
    }
    out.counter("sluice_events_total", "Events that hooks wanted, as the engine took them from the bus.").value(bus.taken());
    out.counter("sluice_events_spilled_total", "Those of them that were only counted, since the bus was full.")
        .value(bus.spilled());
    out.counter("sluice_access_log_lines_total", "Lines of the access log that were written.").value(log.written());
    out.counter("sluice_access_log_dropped_total", "Lines of the access log that were lost.").value(traffic.lines().dropped());
}

/// The process, under the names that every exporter has; what the system does not tell is left out.
pub fn process(started_at: u64, out: &mut Exposition) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let number = |text: &str, key: &str, at: usize| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|rest| rest.split_whitespace().nth(at)).and_then(|number| number.parse::<u64>().ok())
    };
    if let Some(kib) = number(&read("status"), "VmRSS:", 0) {
        out.gauge("process_resident_memory_bytes", "Resident memory size in bytes.").value(kib * 1024);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        out.gauge("process_open_fds", "Number of open file descriptors.").value(open.count());
    }
    if let Some(most) = number(&read("limits"), "Max open files", 0) {
        out.gauge("process_max_fds", "Maximum number of open file descriptors.").value(most);
    }
    // Behind the name, which may hold blanks: the state, ten numbers, and the ticks of both modes, a hundred a second.
    let stat = read("stat");
    let behind = stat.rsplit_once(") ").map_or("", |(_, behind)| behind);
    if let Some((user, system)) = number(behind, "", 11).zip(number(behind, "", 12)) {
        let seconds = (user + system) as f64 / 100.0;
        out.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.").value(seconds);
    }
    out.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.").value(started_at);
}
