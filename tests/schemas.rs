//! What the Admin API says of its entities is what it takes.

use serde_json::json;

use crate::harness::Gateway;

const CONFIG: &str = "[services.demo]\nurl = \"http://127.0.0.1:1\"\n[services.demo.plugins.key-auth]\n";

#[test]
fn an_entity_is_tried_without_being_made() {
    for admin in ["", "write_back = false"] {
        let gateway = Gateway::start_with(CONFIG, admin);
        let (text, version) = (gateway.config_text(), gateway.version());
        let tried = |kind: &str, body: &serde_json::Value| {
            let answer = gateway.admin("POST", &format!("/schemas/{kind}/validate"), &body.to_string());
            (answer.status, answer.json())
        };
        let good = (200, json!({ "message": "schema validation successful" }));
        assert_eq!(tried("services", &json!({ "name": "other", "host": "example.com" })), good);
        // That there is one is no matter of this.
        assert_eq!(tried("services", &json!({ "name": "demo", "host": "example.com" })), good);
        assert_eq!(tried("plugins", &json!({ "name": "key-auth", "service": { "name": "demo" } })), good);
        let limit = json!({ "name": "rate-limiting-advanced", "config": { "limit": [1], "window_size": [60] } });
        assert_eq!(tried("plugins", &limit), good);
        // What only the plugin knows, and what only the whole file does.
        let (status, said) = tried("plugins", &json!({ "name": "rate-limiting-advanced", "config": { "limit": [1] } }));
        assert_eq!((status, &said["fields"]), (400, &json!({ "config": { "window_size": "required field missing" } })));
        let (status, said) = tried("routes", &json!({ "paths": ["/a//b"] }));
        assert_eq!((status, said["name"].as_str()), (400, Some("schema violation")));
        let (status, said) = tried("routes", &json!({ "paths": ["/"], "service": { "name": "nobody" } }));
        assert_eq!((status, said["name"].as_str()), (400, Some("foreign key violation")));
        assert_eq!((gateway.config_text(), gateway.version()), (text, version));
    }
}
