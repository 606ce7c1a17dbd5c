//! The document is of what there is.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{start, start_with};
use crate::fake::FILE;

#[tokio::test]
async fn every_path_and_method_is_in_the_document() {
    let api = start().await;
    let document = api.get("/openapi.json").await.is(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let endpoints = api.get("/endpoints").await.json();
    let paths: BTreeSet<&str> = endpoints["data"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(document["paths"].as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<_>>(), paths);
    for path in paths {
        let options = api.ask("OPTIONS", &path.replace(['{', '}'], ""), &[], "").await.is(204);
        let allowed = options.header("allow").unwrap().to_ascii_lowercase();
        let allowed: BTreeSet<&str> = allowed.split(", ").filter(|method| !["head", "options"].contains(method)).collect();
        let told = document["paths"][path].as_object().unwrap();
        assert_eq!(told.keys().map(String::as_str).collect::<BTreeSet<_>>(), allowed, "{path}");
        for (method, operation) in told {
            let keys = path.matches('{').count();
            let of_path = operation["parameters"].as_array().unwrap().iter().filter(|one| one["in"] == "path").count();
            assert_eq!(of_path, keys, "{method} {path}");
        }
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(table) => {
            if let Some(to) = table.get("$ref").and_then(Value::as_str) {
                found.insert(to.to_owned());
            }
            table.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_component_is_referred_to() {
    let document = start().await.get("/openapi.json").await.json();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for to in &found {
        let pointer = to.strip_prefix('#').expect("it leads into the document");
        assert!(document.pointer(pointer).is_some(), "{to}");
    }
    for kind in ["schemas", "parameters", "responses", "headers"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            assert!(found.contains(&format!("#/components/{kind}/{name}")), "{kind}/{name}");
        }
    }
}

#[tokio::test]
async fn who_may_ask_is_as_the_configuration_says() {
    let free = start().await.get("/openapi.json").await.json();
    assert_eq!(free["security"][0], json!({}));
    let api = start_with(FILE, Some("hush")).await;
    api.get("/openapi.json").await.is(401);
    let document = api.ask("GET", "/openapi.json", &[("Kong-Admin-Token", "hush")], "").await.is(200).json();
    assert_eq!(document["security"], json!([{"token": []}, {"bearer": []}]));
    // Load balancers bring none.
    assert_eq!(document["paths"]["/status/ready"]["get"]["security"], json!([]));
}

#[tokio::test]
async fn what_is_sent_and_what_is_shown_differ_where_they_do() {
    let document = start().await.get("/openapi.json").await.json();
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    let needed = |name: &str| schema(name)["required"].as_array().unwrap().clone();
    // A number of milliseconds or a text is shown as a number.
    assert!(schema("services_new")["properties"]["read_timeout"]["anyOf"].is_array());
    assert_eq!(schema("services")["properties"]["read_timeout"]["type"], json!(["integer", "null"]));
    assert_eq!(schema("services")["properties"].get("url"), None);
    assert_eq!(needed("keyauth_credentials_new"), [json!("consumer")]);
    assert_eq!(needed("keyauth_credentials_changes"), Vec::<Value>::new());
    assert_eq!(needed("keyauth_credentials_put"), Vec::<Value>::new());
    // Below an upstream the path says which.
    let below = &document["paths"]["/upstreams/{upstreams}/targets"]["post"]["requestBody"];
    assert_eq!(below["content"]["application/json"]["schema"]["required"], json!(["target"]));
    assert_eq!(below["required"], true);
    assert_eq!(document["paths"]["/consumers"]["post"]["requestBody"]["required"], false);
}
