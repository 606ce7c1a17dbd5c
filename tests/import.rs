//! `sluice import`: a configuration of Kong, as decK dumps it, becomes a gateway.toml that the gateway runs on.

use std::process::{Command, Output};

use crate::harness::{Gateway, httpbin};

/// What decK dumps of a small Kong, with what it writes of itself.
fn kong(port: u16, more: &str) -> String {
    format!(
        r#"
_format_version: "3.0"
_transform: true
services:
- connect_timeout: 60000
  enabled: true
  host: 127.0.0.1
  name: demo
  path: /anything
  port: {port}
  protocol: http
  read_timeout: 60000
  retries: 5
  write_timeout: 60000
  tags: [team-a]
  routes:
  - name: demo
    https_redirect_status_code: 426
    path_handling: v0
    paths:
    - /demo
    preserve_host: false
    protocols: [http, https]
    regex_priority: 0
    request_buffering: true
    response_buffering: true
    strip_path: true
  plugins:
  - name: key-auth
    enabled: true
    protocols: [grpc, grpcs, http, https]
    config:
      anonymous: null
      hide_credentials: true
      key_in_header: true
      key_in_query: true
      key_names: [apikey]
      run_on_preflight: true
plugins:
- name: rate-limiting-advanced
  service: demo
  instance_name: joes-limit
  config:
    identifier: consumer
    limit: [3]
    window_size: [31536000]
    window_type: sliding
    sync_rate: null
consumers:
- username: Joe
  custom_id: "17"
  keyauth_credentials:
  - key: ${{{{ env "JOES_KEY" }}}}
  groups:
  - name: gold
consumer_groups:
- name: gold
upstreams:
- name: pool
  algorithm: least-connections
  slots: 10000
  use_srv_name: false
  targets:
  - target: 10.0.0.1:80
    weight: 7
{more}"#
    )
}

fn import(yaml: &str, words: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kong.yaml");
    std::fs::write(&file, yaml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.arg("import").arg(&file).args(words).env_remove("RUST_LOG").output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn what_kong_had_works_here() {
    let upstream = httpbin();
    let output = import(&kong(upstream.address.port(), ""), &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = printed(&output);
    assert!(text.contains("key = \"${JOES_KEY}\"") && !text.contains("Not carried over"), "{text}");
    let gateway = Gateway::start(&text.replace("${JOES_KEY}", "joe-key"));
    let statuses: Vec<u16> = (0..4).map(|_| gateway.get("/demo/x", &[("apikey", "joe-key")]).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    assert_eq!(gateway.get("/demo/x", &[]).status, 401);
    let get = |path: &str| gateway.admin("GET", path, "").json();
    assert_eq!(get("/consumers/Joe/consumer_groups")["data"][0]["name"], "gold");
    assert_eq!(get("/upstreams/pool/targets")["data"][0]["weight"], 7);
    assert_eq!(get("/plugins/joes-limit")["service"]["id"], get("/services/demo")["id"]);
    assert_eq!(get("/services?tags=team-a")["data"][0]["name"], "demo");
}

#[test]
fn what_cannot_be_carried_over_is_named() {
    let more = "- name: other\n  sticky_sessions_cookie: c\nvaults:\n- name: env\n  prefix: v\nroutes:\n- name: guarded\n  paths: [/x]\n  service: {name: demo}\n  plugins:\n  - name: oauth2\n    config: {scopes: [a]}\n  - name: rate-limiting\n    config: {minute: 5, policy: redis, redis: {host: r}}\n";
    let output = import(&kong(1, more), &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = printed(&output);
    let list = text.split("\n\n").next().unwrap();
    for named in [
        "vaults: ",
        "upstreams.other.sticky_sessions_cookie: ",
        "the plugin oauth2 (routes.guarded.plugins.oauth2), which guards nothing any more: ",
        "routes.guarded.plugins.rate-limiting.policy: ",
    ] {
        assert!(list.contains(named), "{named}\n{list}");
    }
    assert!(text.contains("[routes.guarded.plugins.rate-limiting]\nminute = 5\n"), "{text}");
    Gateway::start(&text.replace("${JOES_KEY}", "joe-key"));
}

#[test]
fn a_file_is_not_written_over_and_a_wrong_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("gateway.toml");
    let words = ["--output", out.to_str().unwrap()];
    assert_eq!(import(&kong(1, ""), &words).status.code(), Some(0));
    let written = std::fs::read_to_string(&out).unwrap();
    assert_eq!(import(&kong(2, ""), &words).status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), written);
    for (yaml, said) in
        [("a: [", "no YAML"), ("services: []", "_format_version"), ("_format_version: '1.1'", "convert"), ("- x", "no table")]
    {
        let refused = import(yaml, &[]);
        assert_eq!(refused.status.code(), Some(64), "{refused:?}");
        assert!(String::from_utf8(refused.stderr).unwrap().contains(said), "{yaml}");
    }
}
