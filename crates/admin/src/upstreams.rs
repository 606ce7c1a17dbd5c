//! `/upstreams/{upstream}/health`: how targets are, and how to say that one is healthy or not.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use sluice_config::{Config, Target, Upstream};

use crate::control::{TargetHealth, UpstreamHealth};
use crate::entities::{Entity, find};
use crate::error::Error;
use crate::kinds::find_target;
use crate::{App, Shared, reply};

/// `GET /upstreams/{upstream}/health`: each target with its health, or with `?balancer_health=1` the whole.
pub(crate) async fn health(State(app): Shared, Path(key): Path<String>, uri: Uri) -> Result<Response, Error> {
    let config = app.control.config();
    let upstream = find::<Upstream>(&config, &key)?;
    let health = app.control.upstream_health(&upstream.name).ok_or(Error::NotFound)?;
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let whole = query.into_iter().any(|(key, value)| key == "balancer_health" && value == "1");
    let body = if whole {
        let data = json!({
            "id": upstream.id,
            "name": upstream.name,
            "health": if health.watched { word(health.healthy) } else { "HEALTHCHECKS_OFF" },
            "balancer_health": word(health.healthy),
            "details": details(&config, &upstream, &health),
        });
        json!({ "data": data, "next": null, "node_id": app.node_id })
    } else {
        let targets = of_upstream(&config, &upstream).zip(&health.targets).map(|(target, of_target)| {
            let mut shown = target.show(&config);
            shown["health"] = health_of(of_target, health.watched).into();
            shown["data"] = data(target, of_target, health.watched);
            shown
        });
        json!({ "data": targets.collect::<Vec<_>>(), "next": null, "node_id": app.node_id })
    };
    Ok(reply::json(StatusCode::OK, &body))
}

/// `PUT /upstreams/{upstream}/targets/{target}/healthy`.
pub(crate) async fn healthy(State(app): Shared, Path((key, target)): Path<(String, String)>) -> Result<Response, Error> {
    set(&app, (&key, &target, None), true)
}

/// `PUT /upstreams/{upstream}/targets/{target}/unhealthy`.
pub(crate) async fn unhealthy(State(app): Shared, Path((key, target)): Path<(String, String)>) -> Result<Response, Error> {
    set(&app, (&key, &target, None), false)
}

/// `PUT /upstreams/{upstream}/targets/{target}/{address}/healthy`.
pub(crate) async fn address_healthy(
    State(app): Shared,
    Path((key, target, address)): Path<(String, String, String)>,
) -> Result<Response, Error> {
    set(&app, (&key, &target, Some(&address)), true)
}

/// `PUT /upstreams/{upstream}/targets/{target}/{address}/unhealthy`.
pub(crate) async fn address_unhealthy(
    State(app): Shared,
    Path((key, target, address)): Path<(String, String, String)>,
) -> Result<Response, Error> {
    set(&app, (&key, &target, Some(&address)), false)
}

fn set(app: &App, (key, target, address): (&str, &str, Option<&str>), healthy: bool) -> Result<Response, Error> {
    let config = app.control.config();
    let upstream = find::<Upstream>(&config, key)?;
    let target = find_target(&config, &upstream, target)?.place.to_string();
    if !upstream.healthchecks.is_on() {
        return Err(Error::Bad(format!("no healthchecker found for {}", upstream.name)));
    }
    let known = app.control.set_health(&upstream.name, (&target, address), healthy);
    if known { Ok(reply::empty(StatusCode::NO_CONTENT)) } else { Err(Error::NotFound) }
}

fn of_upstream<'a>(config: &'a Config, upstream: &Upstream) -> impl Iterator<Item = &'a Target> {
    let id = upstream.id;
    config.targets.iter().filter(move |target| target.upstream.1 == id)
}

fn word(healthy: bool) -> &'static str {
    if healthy { "HEALTHY" } else { "UNHEALTHY" }
}

/// Kong's word for a target: it is healthy as long as one of its addresses is.
fn health_of(target: &TargetHealth, watched: bool) -> &'static str {
    match target {
        TargetHealth { lost: true, .. } => "DNS_ERROR",
        _ if !watched => "HEALTHCHECKS_OFF",
        TargetHealth { addresses, .. } => word(addresses.iter().any(|address| address.healthy)),
    }
}

fn data(target: &Target, health: &TargetHealth, watched: bool) -> Value {
    let addresses = health.addresses.iter().map(|address| {
        json!({
            "ip": address.ip,
            "port": address.port,
            "health": if watched { word(address.healthy) } else { "HEALTHCHECKS_OFF" },
            "weight": target.weight,
        })
    });
    let addresses: Vec<Value> = addresses.collect();
    let (weight, up) = weights(target, health);
    json!({
        "host": target.place.host(),
        "port": target.place.port(),
        "dns": if health.lost { "dns error" } else { "A" },
        "nodeWeight": target.weight,
        "weight": { "total": weight, "available": up, "unavailable": weight - up },
        "addresses": addresses,
    })
}

/// The weight of all addresses of a target, and of the healthy ones.
fn weights(target: &Target, health: &TargetHealth) -> (u64, u64) {
    let of = |addresses: usize| addresses as u64 * u64::from(target.weight);
    (of(health.addresses.len()), of(health.addresses.iter().filter(|address| address.healthy).count()))
}

fn details(config: &Config, upstream: &Upstream, health: &UpstreamHealth) -> Value {
    let pairs: Vec<(&Target, &TargetHealth)> = of_upstream(config, upstream).zip(&health.targets).collect();
    let (total, up) = pairs.iter().map(|(target, health)| weights(target, health)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let hosts: Vec<Value> = pairs.iter().map(|(target, of_target)| data(target, of_target, health.watched)).collect();
    json!({
        "healthy": health.healthy,
        "id": upstream.id,
        "weight": { "total": total, "available": up, "unavailable": total - up },
        "hosts": hosts,
    })
}
