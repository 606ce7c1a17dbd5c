//! The paths of the Admin API: one line each. `/endpoints` is made from the same table.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post, put};
use serde_json::json;
use sluice_config::{CaCertificate, Certificate, Consumer, ConsumerGroup, EventHook, PluginEntry, Route, Service, Sni, Upstream};
use uuid::Uuid;

use crate::certificates::snis_of_certificate;
use crate::entities::{consumers_of_group, groups_of_consumer, list, list_all, one, read_only, routes_of_service, show_one};
use crate::error::Error;
use crate::{
    App, Control, Options, credentials, deliveries, event_hooks, finish, gate, hook_actions, limits, metrics, node, plugins,
    reply, sources, status, upstreams,
};

/// Every path, and what may be done there.
fn endpoints() -> Vec<(&'static str, MethodRouter<Arc<App>>)> {
    vec![
        ("/", get(node::show)),
        ("/acls", credentials::list("acls")),
        ("/acls/{acls}", credentials::one("acls")),
        ("/basic-auths", credentials::list("basicauth_credentials")),
        ("/basic-auths/{basicauth_credentials}", credentials::one("basicauth_credentials")),
        ("/ca_certificates", list::<CaCertificate>()),
        ("/ca_certificates/{ca_certificates}", one::<CaCertificate>()),
        ("/certificates", list::<Certificate>()),
        ("/certificates/{certificates}", one::<Certificate>()),
        ("/certificates/{certificates}/snis", read_only(get(snis_of_certificate))),
        ("/config/status", get(status::config)),
        ("/consumer_groups", list::<ConsumerGroup>()),
        ("/consumer_groups/{consumer_groups}", one::<ConsumerGroup>()),
        ("/consumer_groups/{consumer_groups}/consumers", read_only(get(consumers_of_group))),
        ("/consumer_groups/{consumer_groups}/plugins", read_only(get(plugins::of::<ConsumerGroup>))),
        ("/consumers", list::<Consumer>()),
        ("/consumers/{consumers}", one::<Consumer>()),
        ("/consumers/{consumers}/acls", credentials::list_of_consumer("acls")),
        ("/consumers/{consumers}/acls/{acls}", credentials::one_of_consumer("acls")),
        ("/consumers/{consumers}/basic-auth", credentials::list_of_consumer("basicauth_credentials")),
        ("/consumers/{consumers}/basic-auth/{basicauth_credentials}", credentials::one_of_consumer("basicauth_credentials")),
        ("/consumers/{consumers}/consumer_groups", read_only(get(groups_of_consumer))),
        ("/consumers/{consumers}/jwt", credentials::list_of_consumer("jwt_secrets")),
        ("/consumers/{consumers}/jwt/{jwt_secrets}", credentials::one_of_consumer("jwt_secrets")),
        ("/consumers/{consumers}/key-auth", credentials::list_of_consumer("keyauth_credentials")),
        ("/consumers/{consumers}/key-auth/{keyauth_credentials}", credentials::one_of_consumer("keyauth_credentials")),
        ("/consumers/{consumers}/plugins", read_only(get(plugins::of::<Consumer>))),
        ("/deliveries", get(deliveries::all)),
        ("/deliveries/{deliveries}", get(deliveries::one)),
        ("/deliveries/{deliveries}/replay", post(deliveries::replay)),
        ("/endpoints", get(list_paths)),
        ("/event-hooks", get(list_all::<EventHook>).post(event_hooks::create)),
        ("/event-hooks/sources", get(sources::all)),
        ("/event-hooks/sources/{source}", get(sources::one)),
        ("/event-hooks/sources/{source}/{event}", get(sources::event)),
        (
            "/event-hooks/{event_hooks}",
            get(show_one::<EventHook>).patch(event_hooks::patch).put(event_hooks::put).delete(event_hooks::delete),
        ),
        ("/event-hooks/{event_hooks}/deliveries", get(deliveries::of_hook)),
        ("/event-hooks/{event_hooks}/deliveries/replay", post(deliveries::replay_range)),
        ("/event-hooks/{event_hooks}/pause", post(hook_actions::pause)),
        ("/event-hooks/{event_hooks}/ping", get(hook_actions::ping)),
        ("/event-hooks/{event_hooks}/resume", post(hook_actions::resume)),
        ("/event-hooks/{event_hooks}/status", get(hook_actions::status)),
        ("/event-hooks/{event_hooks}/test", post(hook_actions::test)),
        ("/jwts", credentials::list("jwt_secrets")),
        ("/jwts/{jwt_secrets}", credentials::one("jwt_secrets")),
        ("/key-auths", credentials::list("keyauth_credentials")),
        ("/key-auths/{keyauth_credentials}", credentials::one("keyauth_credentials")),
        ("/limits", get(limits::all).delete(limits::reset_all)),
        ("/limits/{limiter}", get(limits::one).delete(limits::reset_limit)),
        ("/limits/{limiter}/{key}", get(limits::client).delete(limits::reset_client)),
        ("/metrics", get(metrics::metrics)),
        ("/plugins", list::<PluginEntry>()),
        ("/plugins/{plugins}", one::<PluginEntry>()),
        ("/routes", list::<Route>()),
        ("/routes/{routes}", one::<Route>()),
        ("/routes/{routes}/plugins", read_only(get(plugins::of::<Route>))),
        ("/services", list::<Service>()),
        ("/services/{services}", one::<Service>()),
        ("/services/{services}/plugins", read_only(get(plugins::of::<Service>))),
        ("/services/{services}/routes", read_only(get(routes_of_service))),
        ("/snis", list::<Sni>()),
        ("/snis/{snis}", one::<Sni>()),
        ("/status", get(status::status)),
        ("/status/live", get(status::live)),
        ("/status/ready", get(status::ready)),
        ("/upstreams", list::<Upstream>()),
        ("/upstreams/{upstreams}", one::<Upstream>()),
        ("/upstreams/{upstreams}/health", get(upstreams::health)),
        ("/upstreams/{upstreams}/targets", read_only(get(upstreams::targets))),
        ("/upstreams/{upstreams}/targets/{targets}", read_only(get(upstreams::target))),
        ("/upstreams/{upstreams}/targets/{targets}/healthy", put(upstreams::healthy)),
        ("/upstreams/{upstreams}/targets/{targets}/unhealthy", put(upstreams::unhealthy)),
        ("/upstreams/{upstreams}/targets/{targets}/{address}/healthy", put(upstreams::address_healthy)),
        ("/upstreams/{upstreams}/targets/{targets}/{address}/unhealthy", put(upstreams::address_unhealthy)),
    ]
}

/// The Admin API over this gateway.
pub fn router(control: Arc<dyn Control>, options: Options) -> Router {
    let app = Arc::new(App { control, options, node_id: Uuid::new_v4() });
    let paths = endpoints()
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| router.route(path, methods))
        .fallback(|| async { Error::NotFound })
        .with_state(app.clone());
    // The outer router has no paths of its own: what stands before the inner one may change the path.
    Router::new()
        .fallback_service(paths)
        .layer(from_fn(finish::without_slash))
        .layer(from_fn_with_state(app.clone(), gate::guard))
        .layer(from_fn_with_state(app, finish::finish))
}

/// `GET /endpoints`.
async fn list_paths() -> Response {
    let paths: Vec<&str> = endpoints().into_iter().map(|(path, _)| path).collect();
    reply::json(StatusCode::OK, &json!({ "data": paths }))
}
