//! The paths of the Admin API: one line each. `/endpoints` is made from the same table.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use serde_json::json;
use sluice_config::{CaCertificate, Certificate, Consumer, ConsumerGroup, PluginEntry, Route, Service, Sni, Target, Upstream};
use uuid::Uuid;

use crate::crud::{list, lists, one, show_all};
use crate::endpoint::{Endpoint, delete, get, post, put};
use crate::entities::Entity;
use crate::error::Error;
use crate::kinds::{ACLS, BASIC_AUTHS, Credential, JWTS, KEY_AUTHS};
use crate::openapi::{Body, Operation, PAGE, To};
use crate::owners::{certificate_of_sni, consumers_endpoint, owner_of_credential, service_of_route};
use crate::{
    App, Control, Options, configuration, deliveries, event_hooks, finish, gate, hook_actions, kinds, limits, metrics, node,
    openapi, reply, schemas, sources, status, tags, upstreams,
};

type KeyAuths = Credential<KEY_AUTHS>;
type BasicAuths = Credential<BASIC_AUTHS>;
type Jwts = Credential<JWTS>;
type Acls = Credential<ACLS>;

fn shows(summary: &'static str, component: &'static str) -> Operation {
    Operation::shows(summary, component)
}

fn does(summary: &'static str) -> Operation {
    Operation::does(summary)
}

/// Every path, and what may be done there.
pub(crate) fn endpoints() -> Vec<(&'static str, Endpoint)> {
    vec![
        ("/", get(node::show, shows("What this node is", "node"))),
        ("/acls", list::<Acls>()),
        ("/acls/{acls}", one::<Acls>()),
        ("/acls/{acls}/consumer", get(owner_of_credential::<ACLS>, shows("Whose it is", "consumers"))),
        ("/basic-auths", list::<BasicAuths>()),
        ("/basic-auths/{basicauth_credentials}", one::<BasicAuths>()),
        (
            "/basic-auths/{basicauth_credentials}/consumer",
            get(owner_of_credential::<BASIC_AUTHS>, shows("Whose it is", "consumers")),
        ),
        ("/ca_certificates", list::<CaCertificate>()),
        ("/ca_certificates/{ca_certificates}", one::<CaCertificate>()),
        ("/certificates", list::<Certificate>()),
        ("/certificates/{certificates}", one::<Certificate>()),
        ("/certificates/{certificates}/snis", list::<Sni>()),
        ("/certificates/{certificates}/snis/{snis}", one::<Sni>()),
        ("/config", configuration::endpoint()),
        ("/config/check", post(configuration::check, shows("What a text would change", "config_check").takes(Body::Toml))),
        ("/config/status", get(status::config, shows("How the configuration is", "config_status"))),
        ("/consumer_groups", list::<ConsumerGroup>()),
        ("/consumer_groups/{consumer_groups}", one::<ConsumerGroup>()),
        ("/consumer_groups/{consumer_groups}/consumers", kinds::members_endpoint()),
        (
            "/consumer_groups/{consumer_groups}/consumers/{consumers}",
            delete(kinds::remove_consumer, does("Takes it out of the group").changes()),
        ),
        ("/consumer_groups/{consumer_groups}/plugins", list::<PluginEntry>()),
        ("/consumer_groups/{consumer_groups}/plugins/{plugins}", one::<PluginEntry>()),
        ("/consumers", consumers_endpoint()),
        ("/consumers/{consumers}", one::<Consumer>()),
        ("/consumers/{consumers}/acls", list::<Acls>()),
        ("/consumers/{consumers}/acls/{acls}", one::<Acls>()),
        ("/consumers/{consumers}/basic-auth", list::<BasicAuths>()),
        ("/consumers/{consumers}/basic-auth/{basicauth_credentials}", one::<BasicAuths>()),
        ("/consumers/{consumers}/consumer_groups", kinds::memberships_endpoint()),
        (
            "/consumers/{consumers}/consumer_groups/{consumer_groups}",
            delete(kinds::leave_group, does("Takes it out of the group").changes()),
        ),
        ("/consumers/{consumers}/jwt", list::<Jwts>()),
        ("/consumers/{consumers}/jwt/{jwt_secrets}", one::<Jwts>()),
        ("/consumers/{consumers}/key-auth", list::<KeyAuths>()),
        ("/consumers/{consumers}/key-auth/{keyauth_credentials}", one::<KeyAuths>()),
        ("/consumers/{consumers}/plugins", list::<PluginEntry>()),
        ("/consumers/{consumers}/plugins/{plugins}", one::<PluginEntry>()),
        ("/deliveries", get(deliveries::all, deliveries::pages("What became of deliveries"))),
        ("/deliveries/{deliveries}", get(deliveries::one, shows("One delivery", "delivery").refuses(&[503]))),
        (
            "/deliveries/{deliveries}/replay",
            post(deliveries::replay, shows("Tries it again", "delivery").status(202).refuses(&[409, 503])),
        ),
        ("/endpoints", get(list_paths, shows("All paths", "endpoints"))),
        ("/event-hooks", event_hooks::list()),
        ("/event-hooks/sources", get(sources::all, shows("What a hook can wait for", "sources"))),
        ("/event-hooks/sources/{source}", get(sources::one, shows("The events of a source", "source"))),
        ("/event-hooks/sources/{source}/{event}", get(sources::event, shows("The fields of an event", "event"))),
        ("/event-hooks/{event_hooks}", event_hooks::one()),
        ("/event-hooks/{event_hooks}/deliveries", get(deliveries::of_hook, deliveries::pages("What became of its deliveries"))),
        ("/event-hooks/{event_hooks}/deliveries/replay", post(deliveries::replay_range, deliveries::replays())),
        ("/event-hooks/{event_hooks}/pause", post(hook_actions::pause, shows("Lets what comes wait", "hook").refuses(&[409]))),
        ("/event-hooks/{event_hooks}/ping", get(hook_actions::ping, shows("Pings its receiver", "ping").refuses(&[409, 503]))),
        ("/event-hooks/{event_hooks}/resume", post(hook_actions::resume, shows("Lets it work again", "hook").refuses(&[409]))),
        ("/event-hooks/{event_hooks}/status", get(hook_actions::status, shows("How it is", "hook").refuses(&[409]))),
        ("/event-hooks/{event_hooks}/test", post(hook_actions::test, hook_actions::tests())),
        ("/jwts", list::<Jwts>()),
        ("/jwts/{jwt_secrets}", one::<Jwts>()),
        ("/jwts/{jwt_secrets}/consumer", get(owner_of_credential::<JWTS>, shows("Whose it is", "consumers"))),
        ("/key-auths", list::<KeyAuths>()),
        ("/key-auths/{keyauth_credentials}", one::<KeyAuths>()),
        ("/key-auths/{keyauth_credentials}/consumer", get(owner_of_credential::<KEY_AUTHS>, shows("Whose it is", "consumers"))),
        (
            "/limits",
            get(limits::all, shows("Who is limited now", "limits"))
                .delete(limits::reset_all, does("Lets everybody start afresh")),
        ),
        ("/limits/{limiter}", limits::endpoint()),
        (
            "/limits/{limiter}/{key}",
            get(limits::client, shows("One client", "client")).delete(limits::reset_client, does("Lets it start afresh")),
        ),
        ("/metrics", get(metrics::metrics, Operation::writes("What is counted, for Prometheus", "text/plain"))),
        ("/openapi.json", get(openapi::show, shows("This document", "document"))),
        ("/plugins", list::<PluginEntry>()),
        ("/plugins/enabled", get(node::enabled_plugins, shows("The plugins that there are", "enabled_plugins"))),
        ("/plugins/{plugins}", one::<PluginEntry>()),
        ("/routes", list::<Route>()),
        ("/routes/{routes}", one::<Route>()),
        ("/routes/{routes}/plugins", list::<PluginEntry>()),
        ("/routes/{routes}/plugins/{plugins}", one::<PluginEntry>()),
        ("/routes/{routes}/service", get(service_of_route, shows("Its service", "services"))),
        ("/schemas/plugins/validate", post(schemas::validate_plugin, schemas::tries(Body::Sent(To::Create, PluginEntry::TABLE)))),
        ("/schemas/plugins/{name}", get(schemas::of_plugin, shows("The options of a plugin", "schema"))),
        ("/schemas/{entity}", get(schemas::of_entity, shows("The fields of a kind", "schema"))),
        ("/schemas/{entity}/validate", post(schemas::validate, schemas::tries(Body::Json(json!({ "type": "object" }))))),
        ("/services", list::<Service>()),
        ("/services/{services}", one::<Service>()),
        ("/services/{services}/plugins", list::<PluginEntry>()),
        ("/services/{services}/plugins/{plugins}", one::<PluginEntry>()),
        ("/services/{services}/routes", list::<Route>()),
        ("/services/{services}/routes/{routes}", one::<Route>()),
        ("/snis", list::<Sni>()),
        ("/snis/{snis}", one::<Sni>()),
        ("/snis/{snis}/certificate", get(certificate_of_sni, shows("Its certificate", "certificates"))),
        ("/status", get(status::status, shows("How the gateway is", "status"))),
        ("/status/live", get(status::live, shows("Whether it lives", "message"))),
        ("/status/ready", get(status::ready, shows("Whether it is ready", "message").refuses(&[503]))),
        ("/tags", get(tags::all, shows("All tags", "tags_page").asks(PAGE))),
        ("/tags/{tags}", get(tags::one, shows("Who has a tag", "tags_page").asks(PAGE))),
        ("/upstreams", list::<Upstream>()),
        ("/upstreams/{upstreams}", one::<Upstream>()),
        (
            "/upstreams/{upstreams}/health",
            get(upstreams::health, shows("How its targets are", "health").asks(&["balancer_health"])),
        ),
        ("/upstreams/{upstreams}/targets", list::<Target>()),
        ("/upstreams/{upstreams}/targets/all", get(show_all::<Target>, lists(Target::TABLE))),
        ("/upstreams/{upstreams}/targets/{targets}", one::<Target>()),
        ("/upstreams/{upstreams}/targets/{targets}/healthy", put(upstreams::healthy, does("It is healthy"))),
        ("/upstreams/{upstreams}/targets/{targets}/unhealthy", put(upstreams::unhealthy, does("It is not healthy"))),
        ("/upstreams/{upstreams}/targets/{targets}/{address}/healthy", put(upstreams::address_healthy, does("It is healthy"))),
        (
            "/upstreams/{upstreams}/targets/{targets}/{address}/unhealthy",
            put(upstreams::address_unhealthy, does("It is not healthy")),
        ),
    ]
}

/// The Admin API over this gateway.
pub fn router(control: Arc<dyn Control>, options: Options) -> Router {
    let (audit, guesses) = Default::default();
    let app = Arc::new(App { control, options, audit, guesses, node_id: Uuid::new_v4() });
    let paths = endpoints()
        .into_iter()
        .fold(Router::new(), |router, (path, endpoint)| router.route(path, endpoint.router))
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
