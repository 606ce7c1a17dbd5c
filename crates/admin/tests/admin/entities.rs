//! Services, routes, consumers, plugins, sources and the node itself, to look at.

use serde_json::{Value, json};
use sluice_config::entity_id;

use crate::client::start;

#[tokio::test]
async fn entities_are_shown_in_kongs_shape() {
    let api = start().await;
    let service = api.get("/services/demo").await.is(200).json();
    assert_eq!((&service["host"], &service["port"], &service["path"]), (&json!("127.0.0.1"), &json!(8080), &json!("/anything")));
    assert_eq!(api.get(&format!("/services/{}", service["id"].as_str().unwrap())).await.is(200).json(), service);
    assert_eq!(api.get("/services").await.is(200).json()["data"][0], service);
    let route = api.get("/routes/demo").await.is(200).json();
    assert_eq!(route["service"], json!({"id": service["id"]}));
    assert_eq!(api.get("/routes/with%20space").await.is(200).json()["name"], "with space");
    assert_eq!(api.get("/services/demo/routes").await.is(200).json(), json!({"data": [route], "next": null}));
    let joe = api.get("/consumers/Joe").await.is(200);
    assert!(!joe.text.contains("joe-key"), "{joe:?}");
    for path in
        ["/services/x", "/services/x/routes", "/services/x/plugins", "/routes/x/plugins", "/plugins/key-auth", "/consumers/%ff"]
    {
        let answer = api.get(path).await;
        assert!([400, 404].contains(&answer.status) && answer.json()["message"].is_string(), "{path} {answer:?}");
    }
}

#[tokio::test]
async fn plugins_say_what_they_belong_to_and_hide_their_secrets() {
    let api = start().await;
    let all = api.get("/plugins").await.is(200);
    assert!(!all.text.contains("hush"), "{all:?}");
    assert_eq!(all.json()["data"].as_array().unwrap().len(), 4);
    let of_service = api.get("/services/demo/plugins").await.is(200).json();
    let limit = of_service["data"][1].clone();
    assert_eq!(limit["service"], json!({"id": entity_id("services", "demo")}));
    let config = &limit["config"];
    assert_eq!(
        (&config["limit"], &config["redis"], &config["throttling"]["interval"]),
        (&json!([3]), &json!({"password": "***"}), &json!(5))
    );
    assert_eq!((&config["error_code"], config.get("namespace")), (&json!(429), Some(&Value::Null)), "what the file does not say");
    assert_eq!(
        (&limit["name"], &limit["enabled"], &limit["instance_name"]),
        (&json!("rate-limiting-advanced"), &json!(true), &Value::Null)
    );
    assert_eq!((&limit["route"], &limit["consumer"], &limit["tags"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(api.get(&format!("/plugins/{}", limit["id"].as_str().unwrap())).await.is(200).json(), limit);
    assert_eq!(limit["protocols"], json!(["grpc", "grpcs", "http", "https"]));
    let of_joe = api.get("/consumers/Joe/plugins").await.is(200).json();
    assert_eq!(api.get("/plugins/limit-of-joe").await.is(200).json(), of_joe["data"][0]);
    assert_eq!((&of_joe["data"][0]["instance_name"], &of_joe["data"][0]["tags"]), (&json!("limit-of-joe"), &json!(["a"])));
    assert_eq!(of_joe["data"][0]["config"]["limit"], json!([5]));
    assert_eq!(of_joe["data"][0]["consumer"], json!({"id": entity_id("consumers", "Joe")}));
    assert_eq!(api.get("/routes/demo/plugins").await.is(200).json(), json!({"data": [], "next": null}));
}

#[tokio::test]
async fn upstreams_show_their_targets_and_how_they_are() {
    let api = start().await;
    let app = api.get("/upstreams/app").await.is(200).json();
    assert_eq!((&app["algorithm"], &app["slots"], &app["host_header"]), (&json!("round-robin"), &json!(10_000), &Value::Null));
    assert_eq!(app["healthchecks"]["active"]["unhealthy"]["interval"], json!(0.5));
    let targets = api.get("/upstreams/app/targets").await.is(200).json();
    let first = &targets["data"][0];
    assert_eq!(
        (&first["target"], &first["weight"], &first["upstream"]),
        (&json!("10.0.0.1:8000"), &json!(7), &json!({"id": app["id"]}))
    );
    for key in ["10.0.0.1:8000", "10.0.0.1", first["id"].as_str().unwrap()] {
        assert_eq!(api.get(&format!("/upstreams/app/targets/{key}")).await.is(200).json(), *first);
    }
    let health = api.get("/upstreams/app/health").await.is(200).json();
    let seen: Vec<&str> = health["data"].as_array().unwrap().iter().map(|one| one["health"].as_str().unwrap()).collect();
    assert_eq!(seen, ["UNHEALTHY", "DNS_ERROR"]);
    assert_eq!(health["data"][0]["data"]["weight"], json!({"total": 14, "available": 0, "unavailable": 14}));
    let whole = api.get("/upstreams/app/health?balancer_health=1").await.is(200).json();
    assert_eq!((&whole["data"]["health"], &whole["data"]["details"]["weight"]["total"]), (&json!("HEALTHY"), &json!(14)));
    api.ask("PUT", "/upstreams/app/targets/10.0.0.1:8000/healthy", &[], "").await.is(204);
    api.ask("PUT", "/upstreams/app/targets/10.0.0.1/10.0.0.1/unhealthy", &[], "").await.is(204);
    let off = api.ask("PUT", "/upstreams/off/targets/10.0.0.1:1/healthy", &[], "").await.is(400);
    assert_eq!(off.message(), "no healthchecker found for off");
    for path in ["/upstreams/x/health", "/upstreams/app/targets/10.0.0.9", "/upstreams/x", "/upstreams/app/targets/10.0.0.1:1"] {
        assert_eq!(api.get(path).await.is(404).message(), "Not found");
    }
    api.ask("PUT", "/upstreams/app/targets/10.0.0.1/10.9.9.9/healthy", &[], "").await.is(404);
}

#[tokio::test]
async fn sources_tell_their_events() {
    let api = start().await;
    let all = api.get("/event-hooks/sources").await.is(200).json();
    let event = &all["data"]["rate-limiting-advanced"]["rate-limit-exceeded"];
    assert_eq!(event["unique"], json!(["consumer", "ip", "service"]));
    assert!(event["fields"].as_array().unwrap().contains(&json!("rate")) && event["description"].is_string(), "{event}");
    let source = api.get("/event-hooks/sources/rate-limiting-advanced/").await.is(200).json();
    assert_eq!(source["data"]["rate-limit-exceeded"], *event);
    assert_eq!(api.get("/event-hooks/sources/rate-limiting-advanced/rate-limit-exceeded").await.is(200).json()["data"], *event);
    for path in ["/event-hooks/sources/x", "/event-hooks/sources/rate-limiting-advanced/x", "/event-hooks/x"] {
        assert_eq!(api.get(path).await.is(404).json(), json!({"message": "Not found"}));
    }
}

#[tokio::test]
async fn the_node_tells_how_it_is() {
    let api = start().await;
    let node = api.get("/").await.is(200).json();
    assert_eq!((&node["version"], &node["pids"]["master"]), (&json!("0.1.0"), &json!(std::process::id())));
    assert_eq!(node["plugins"]["available_on_server"]["key-auth"], json!({"version": "0.1.0", "priority": 1250}));
    assert_eq!(node["plugins"]["enabled_in_cluster"], json!(["key-auth", "prometheus", "rate-limiting-advanced"]));
    let mut configuration =
        json!({"version": 1, "applied_at": 1_700_000_000, "problems": ["a problem"], "changes": [], "waiting_for_start": []});
    assert_eq!(api.get("/config/status").await.is(200).json(), configuration);
    for detail in ["changes", "waiting_for_start"] {
        configuration.as_object_mut().unwrap().shift_remove(detail);
    }
    let status = api.get("/status").await.is(200).json();
    assert_eq!((&status["server"]["total_requests"], &status["configuration"]), (&json!(7), &configuration));
    assert_eq!(status["event_hooks"], json!([]));
    let endpoints = api.get("/endpoints").await.is(200).json();
    for path in endpoints["data"].as_array().unwrap() {
        let path = path.as_str().unwrap().replace(['{', '}'], "");
        let allow = api.ask("OPTIONS", &path, &[], "").await.is(204).header("allow").unwrap().to_owned();
        let does_something = ["replay", "pause", "resume", "test", "validate"].iter().any(|action| path.ends_with(action));
        let expected = if does_something {
            "POST, OPTIONS"
        } else if path.ends_with("healthy") {
            "PUT, OPTIONS"
        } else if ["consumers/consumer_groups/consumer_groups", "consumer_groups/consumers/consumers"]
            .iter()
            .any(|end| path.ends_with(end))
        {
            "DELETE, OPTIONS"
        } else if path == "/config/check" {
            "POST, OPTIONS"
        } else {
            "GET, HEAD"
        };
        assert!(allow.starts_with(expected) && allow.ends_with("OPTIONS"), "{path} {allow}");
    }
}

#[tokio::test]
async fn without_limits_there_is_nothing_to_look_into() {
    let api = start().await;
    let none = json!({"data": [], "keys": 0, "max_keys": 1_000_000, "overflowed": 0, "next": null});
    assert_eq!(api.get("/limits").await.is(200).json(), none);
    for path in ["/limits/plugins.rate-limiting-advanced", "/limits/plugins.rate-limiting-advanced/ip%20192.0.2.1"] {
        assert_eq!(api.get(path).await.is(404).json()["message"], "Not found");
        api.delete(path).await.is(404);
    }
    api.delete("/limits").await.is(204);
}
