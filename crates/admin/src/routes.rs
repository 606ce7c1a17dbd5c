//! The paths of the Admin API: one line each. `/endpoints` is made from the same table.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post, put};
use serde_json::json;
use sluice_config::{
    CaCertificate, Certificate, Consumer, ConsumerGroup, EventHook, PluginEntry, Route, Service, Sni, Target, Upstream,
};
use uuid::Uuid;

use crate::crud::{create, list, one, show_all, show_one};
use crate::error::Error;
use crate::kinds::{ACLS, BASIC_AUTHS, Credential, JWTS, KEY_AUTHS};
use crate::owners::{certificate_of_sni, consumers, owner_of_credential, service_of_route};
use crate::{
    App, Control, Options, configuration, deliveries, event_hooks, finish, gate, hook_actions, kinds, limits, metrics, node,
    reply, schemas, sources, status, tags, upstreams,
};

type KeyAuths = Credential<KEY_AUTHS>;
type BasicAuths = Credential<BASIC_AUTHS>;
type Jwts = Credential<JWTS>;
type Acls = Credential<ACLS>;

/// Every path, and what may be done there.
fn endpoints() -> Vec<(&'static str, MethodRouter<Arc<App>>)> {
    vec![
        ("/", get(node::show)),
        ("/acls", list::<Acls>()),
        ("/acls/{acls}", one::<Acls>()),
        ("/acls/{acls}/consumer", get(owner_of_credential::<ACLS>)),
        ("/basic-auths", list::<BasicAuths>()),
        ("/basic-auths/{basicauth_credentials}", one::<BasicAuths>()),
        ("/basic-auths/{basicauth_credentials}/consumer", get(owner_of_credential::<BASIC_AUTHS>)),
        ("/ca_certificates", list::<CaCertificate>()),
        ("/ca_certificates/{ca_certificates}", one::<CaCertificate>()),
        ("/certificates", list::<Certificate>()),
        ("/certificates/{certificates}", one::<Certificate>()),
        ("/certificates/{certificates}/snis", list::<Sni>()),
        ("/certificates/{certificates}/snis/{snis}", one::<Sni>()),
        ("/config", get(configuration::show).post(configuration::replace)),
        ("/config/check", post(configuration::check)),
        ("/config/status", get(status::config)),
        ("/consumer_groups", list::<ConsumerGroup>()),
        ("/consumer_groups/{consumer_groups}", one::<ConsumerGroup>()),
        ("/consumer_groups/{consumer_groups}/consumers", get(kinds::members).post(kinds::add_consumer)),
        ("/consumer_groups/{consumer_groups}/consumers/{consumers}", delete(kinds::remove_consumer)),
        ("/consumer_groups/{consumer_groups}/plugins", list::<PluginEntry>()),
        ("/consumer_groups/{consumer_groups}/plugins/{plugins}", one::<PluginEntry>()),
        ("/consumers", get(consumers).post(create::<Consumer>)),
        ("/consumers/{consumers}", one::<Consumer>()),
        ("/consumers/{consumers}/acls", list::<Acls>()),
        ("/consumers/{consumers}/acls/{acls}", one::<Acls>()),
        ("/consumers/{consumers}/basic-auth", list::<BasicAuths>()),
        ("/consumers/{consumers}/basic-auth/{basicauth_credentials}", one::<BasicAuths>()),
        ("/consumers/{consumers}/consumer_groups", get(kinds::memberships).post(kinds::add_group).delete(kinds::leave_all)),
        ("/consumers/{consumers}/consumer_groups/{consumer_groups}", delete(kinds::leave_group)),
        ("/consumers/{consumers}/jwt", list::<Jwts>()),
        ("/consumers/{consumers}/jwt/{jwt_secrets}", one::<Jwts>()),
        ("/consumers/{consumers}/key-auth", list::<KeyAuths>()),
        ("/consumers/{consumers}/key-auth/{keyauth_credentials}", one::<KeyAuths>()),
        ("/consumers/{consumers}/plugins", list::<PluginEntry>()),
        ("/consumers/{consumers}/plugins/{plugins}", one::<PluginEntry>()),
        ("/deliveries", get(deliveries::all)),
        ("/deliveries/{deliveries}", get(deliveries::one)),
        ("/deliveries/{deliveries}/replay", post(deliveries::replay)),
        ("/endpoints", get(list_paths)),
        ("/event-hooks", get(show_all::<EventHook>).post(event_hooks::create)),
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
        ("/jwts", list::<Jwts>()),
        ("/jwts/{jwt_secrets}", one::<Jwts>()),
        ("/jwts/{jwt_secrets}/consumer", get(owner_of_credential::<JWTS>)),
        ("/key-auths", list::<KeyAuths>()),
        ("/key-auths/{keyauth_credentials}", one::<KeyAuths>()),
        ("/key-auths/{keyauth_credentials}/consumer", get(owner_of_credential::<KEY_AUTHS>)),
        ("/limits", get(limits::all).delete(limits::reset_all)),
        ("/limits/{limiter}", get(limits::one).delete(limits::reset_limit)),
        ("/limits/{limiter}/{key}", get(limits::client).delete(limits::reset_client)),
        ("/metrics", get(metrics::metrics)),
        ("/plugins", list::<PluginEntry>()),
        ("/plugins/enabled", get(node::enabled_plugins)),
        ("/plugins/{plugins}", one::<PluginEntry>()),
        ("/routes", list::<Route>()),
        ("/routes/{routes}", one::<Route>()),
        ("/routes/{routes}/plugins", list::<PluginEntry>()),
        ("/routes/{routes}/plugins/{plugins}", one::<PluginEntry>()),
        ("/routes/{routes}/service", get(service_of_route)),
        ("/schemas/plugins/validate", post(schemas::validate_plugin)),
        ("/schemas/plugins/{name}", get(schemas::of_plugin)),
        ("/schemas/{entity}", get(schemas::of_entity)),
        ("/schemas/{entity}/validate", post(schemas::validate)),
        ("/services", list::<Service>()),
        ("/services/{services}", one::<Service>()),
        ("/services/{services}/plugins", list::<PluginEntry>()),
        ("/services/{services}/plugins/{plugins}", one::<PluginEntry>()),
        ("/services/{services}/routes", list::<Route>()),
        ("/services/{services}/routes/{routes}", one::<Route>()),
        ("/snis", list::<Sni>()),
        ("/snis/{snis}", one::<Sni>()),
        ("/snis/{snis}/certificate", get(certificate_of_sni)),
        ("/status", get(status::status)),
        ("/status/live", get(status::live)),
        ("/status/ready", get(status::ready)),
        ("/tags", get(tags::all)),
        ("/tags/{tags}", get(tags::one)),
        ("/upstreams", list::<Upstream>()),
        ("/upstreams/{upstreams}", one::<Upstream>()),
        ("/upstreams/{upstreams}/health", get(upstreams::health)),
        ("/upstreams/{upstreams}/targets", list::<Target>()),
        ("/upstreams/{upstreams}/targets/all", get(show_all::<Target>)),
        ("/upstreams/{upstreams}/targets/{targets}", one::<Target>()),
        ("/upstreams/{upstreams}/targets/{targets}/healthy", put(upstreams::healthy)),
        ("/upstreams/{upstreams}/targets/{targets}/unhealthy", put(upstreams::unhealthy)),
        ("/upstreams/{upstreams}/targets/{targets}/{address}/healthy", put(upstreams::address_healthy)),
        ("/upstreams/{upstreams}/targets/{targets}/{address}/unhealthy", put(upstreams::address_unhealthy)),
    ]
}

/// The Admin API over this gateway.
pub fn router(control: Arc<dyn Control>, options: Options) -> Router {
    let (audit, guesses) = Default::default();
    let app = Arc::new(App { control, options, audit, guesses, node_id: Uuid::new_v4() });
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
