//! Entities as samples show them. What these have is what a template may name of an entity of their table.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::entity::Entity;

/// Somebody who calls.
pub(crate) fn consumer() -> Arc<Entity> {
    entity(
        1,
        json!({
            "id": "00000000-0000-5000-8000-000000000001", "username": "Joe", "username_lower": "joe", "custom_id": "joe-1",
            "tags": ["sample"], "created_at": 1_700_000_000, "updated_at": 1_700_000_000
        }),
    )
}

/// What is called.
pub(crate) fn service() -> Arc<Entity> {
    entity(
        2,
        json!({
            "id": "00000000-0000-5000-8000-000000000002", "name": "demo", "protocol": "http", "host": "127.0.0.1",
            "port": 8080, "path": "/anything", "http2": false, "retries": 5, "connect_timeout": 60_000,
            "write_timeout": 60_000, "read_timeout": 60_000, "request_timeout": 30_000, "enabled": true, "tls_verify": true,
            "ca_certificates": ["00000000-0000-5000-8000-000000000009"],
            "client_certificate": { "id": "00000000-0000-5000-8000-000000000007" }, "tags": ["sample"],
            "created_at": 1_700_000_000, "updated_at": 1_700_000_000
        }),
    )
}

/// Several targets under one name. It names all that may be hashed.
pub(crate) fn upstream() -> Arc<Entity> {
    entity(
        10,
        json!({
            "id": "00000000-0000-5000-8000-00000000000a", "name": "app", "algorithm": "consistent-hashing",
            "hash_on": "header", "hash_fallback": "ip", "hash_on_header": "x-user", "hash_fallback_header": "x-session",
            "hash_on_cookie": "session", "hash_on_cookie_path": "/", "hash_on_query_arg": "user", "hash_fallback_query_arg": "id",
            "slots": 10_000,
            "healthchecks": {
                "active": {
                    "type": "http", "timeout": 1.0, "concurrency": 10, "http_path": "/", "https_sni": "app.example.com",
                    "https_verify_certificate": true, "headers": { "x-check": ["1"] },
                    "healthy": { "interval": 5.0, "http_statuses": [200, 302], "successes": 2 },
                    "unhealthy": {
                        "interval": 5.0, "http_statuses": [500, 503], "tcp_failures": 2, "timeouts": 2, "http_failures": 2
                    }
                },
                "passive": {
                    "type": "http", "healthy": { "http_statuses": [200, 302], "successes": 0 },
                    "unhealthy": { "http_statuses": [500, 503], "tcp_failures": 2, "timeouts": 2, "http_failures": 2 }
                },
                "threshold": 50.0
            },
            "host_header": "app.example.com", "use_srv_name": false,
            "tags": ["sample"], "created_at": 1_700_000_000, "updated_at": 1_700_000_000
        }),
    )
}

/// One target of an upstream.
pub(crate) fn target() -> Arc<Entity> {
    entity(
        11,
        json!({
            "id": "00000000-0000-5000-8000-00000000000b", "upstream": { "id": "00000000-0000-5000-8000-00000000000a" },
            "target": "192.0.2.10:8080", "weight": 100, "tags": ["sample"], "created_at": 1_700_000_000, "updated_at": 1_700_000_000
        }),
    )
}

/// By which way.
pub(crate) fn route() -> Arc<Entity> {
    entity(
        3,
        json!({
            "id": "00000000-0000-5000-8000-000000000003", "name": "demo",
            "service": { "id": "00000000-0000-5000-8000-000000000002" }, "protocols": ["http", "https"],
            "https_redirect_status_code": 426, "hosts": ["example.com"], "paths": ["/demo"], "methods": ["GET"],
            "headers": { "x-version": ["v1"] }, "snis": ["example.com"], "sources": [{ "ip": "10.0.0.0/8", "port": 40_000 }],
            "regex_priority": 0, "strip_path": true, "path_handling": "v0", "preserve_host": false, "request_buffering": true,
            "response_buffering": true, "tags": ["sample"], "created_at": 1_700_000_000, "updated_at": 1_700_000_000
        }),
    )
}

/// Who the gateway is to its clients.
pub(crate) fn certificate() -> Arc<Entity> {
    entity(
        7,
        json!({
            "id": "00000000-0000-5000-8000-000000000007", "name": "site", "cert": "-----BEGIN CERTIFICATE-----\n…", "key": "***",
            "snis": ["example.com"], "not_after": 1_800_000_000, "tags": ["sample"], "created_at": 1_700_000_000,
            "updated_at": 1_700_000_000
        }),
    )
}

/// A name that it is served for.
pub(crate) fn sni() -> Arc<Entity> {
    entity(
        8,
        json!({
            "id": "00000000-0000-5000-8000-000000000008", "name": "example.com",
            "certificate": { "id": "00000000-0000-5000-8000-000000000007" }, "tags": null, "created_at": 1_700_000_000,
            "updated_at": 1_700_000_000
        }),
    )
}

/// Whose certificates are trusted.
pub(crate) fn ca_certificate() -> Arc<Entity> {
    entity(
        9,
        json!({
            "id": "00000000-0000-5000-8000-000000000009", "name": "ca", "cert": "-----BEGIN CERTIFICATE-----\n…",
            "cert_digest": "c641e28d77e93544f2fa87b2cf3f3d51dcf4a3b0a1e5ed0ac26dd3bb1d3f2b4a", "tags": ["sample"],
            "created_at": 1_700_000_000, "updated_at": 1_700_000_000
        }),
    )
}

/// What is done to a request. It names everything that one may belong to.
pub(crate) fn plugin() -> Arc<Entity> {
    entity(
        5,
        json!({
            "id": "00000000-0000-5000-8000-000000000005", "name": "rate-limiting-advanced", "instance_name": "demo-limit",
            "service": { "id": "00000000-0000-5000-8000-000000000002" }, "route": { "id": "00000000-0000-5000-8000-000000000003" },
            "consumer": { "id": "00000000-0000-5000-8000-000000000001" },
            "consumer_group": { "id": "00000000-0000-5000-8000-000000000007" }, "enabled": true,
            "config": { "limit": [3], "window_size": [60], "identifier": "consumer" },
            "protocols": ["grpc", "grpcs", "http", "https"], "tags": ["sample"], "created_at": 1_700_000_000, "updated_at": 1_700_000_000
        }),
    )
}

/// What is done when something happens. It has the options of every handler.
pub(crate) fn event_hook() -> Arc<Entity> {
    entity(
        4,
        json!({
            "id": "00000000-0000-5000-8000-000000000004", "name": "slack", "source": "rate-limiting-advanced",
            "event": "rate-limit-exceeded", "events": [{ "source": "rate-limiting-advanced", "event": "rate-limit-exceeded" }],
            "filter": { "consumer.username": "Joe" }, "handler": "webhook-custom", "on_change": false, "snooze": 60,
            "digest": 60_000, "rate": 5, "format": "kong",
            "config": {
                "url": "https://example.com/hook", "method": "POST", "headers": { "content-type": "application/json" },
                "headers_format": false, "payload": { "text": "{{ consumer.username }}" }, "payload_format": true,
                "body": "{{ consumer.username }}", "body_format": true, "secret": "***", "ssl_verify": true,
                "functions": ["return function(data) return true end"]
            },
            "enabled": true, "timeout": 10_000, "retry": { "schedule": [5_000, 300_000] }, "concurrency": 10,
            "secrets": ["***"], "tags": ["sample"], "created_at": 1_700_000_000, "updated_at": 1_700_000_000
        }),
    )
}

/// A hook as events tell of it that are about the hook.
pub(crate) fn named_hook() -> Arc<Entity> {
    let json = json!({ "id": "00000000-0000-5000-8000-000000000004", "name": "slack", "handler": "webhook-custom" });
    entity(4, json)
}

/// Several who call.
pub(crate) fn consumer_group() -> Arc<Entity> {
    entity(
        7,
        json!({
            "id": "00000000-0000-5000-8000-000000000007", "name": "gold", "tags": ["sample"],
            "created_at": 1_700_000_000, "updated_at": 1_700_000_000
        }),
    )
}

/// A consumer's key.
pub(crate) fn keyauth_credential() -> Arc<Entity> {
    credential(6, json!({ "key": "***" }))
}

/// A consumer's name and password.
pub(crate) fn basicauth_credential() -> Arc<Entity> {
    credential(8, json!({ "username": "joe", "password": "***" }))
}

/// By what a consumer's tokens are checked.
pub(crate) fn jwt_secret() -> Arc<Entity> {
    let key = "-----BEGIN PUBLIC KEY-----";
    credential(9, json!({ "key": "***", "secret": "***", "algorithm": "HS256", "rsa_public_key": key }))
}

/// A consumer's place in a group of `acl`.
pub(crate) fn acl() -> Arc<Entity> {
    credential(10, json!({ "group": "admins" }))
}

/// A credential of the consumer above.
fn credential(id: u128, own: Value) -> Arc<Entity> {
    let mut json = json!({
        "id": format!("00000000-0000-5000-8000-{id:012}"), "tags": ["sample"],
        "consumer": { "id": "00000000-0000-5000-8000-000000000001" }
    });
    if let (Some(json), Value::Object(own)) = (json.as_object_mut(), own) {
        json.extend(own);
    }
    entity(id, json)
}

fn entity(id: u128, json: Value) -> Arc<Entity> {
    Arc::new(Entity::new(id, json))
}
