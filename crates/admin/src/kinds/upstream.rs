//! Upstreams.

use std::borrow::Cow;

use serde_json::{Value, json};
use sluice_config::{Config, Upstream};
use uuid::Uuid;

use crate::control::Step;
use crate::editable::Extent;
use crate::entities::{Entity, to_json};
use crate::error::Error;
use crate::named::{Named, described};
use crate::schemas::Described;
use crate::sent::Sent;

impl Entity for Upstream {
    const TABLE: &'static str = "upstreams";
    fn all(config: &Config) -> Cow<'_, [Self]> {
        Cow::Borrowed(&config.upstreams)
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn described() -> Described {
        // Services have it as their host.
        let label = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
        let pattern = format!(r"^{label}(\.{label})*$");
        let name = json!({ "type": "string", "maxLength": 128, "pattern": pattern });
        described::<Self>()
            .first("name", name)
            .unique("name")
            .fixed(&["name"])
            .with("use_srv_name", json!({ "type": "boolean", "const": false }))
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
}

impl Named for Upstream {
    fn children() -> Vec<String> {
        vec!["targets".to_owned()]
    }

    fn to_file(sent: &mut Sent, _: Option<&Self>, _: Extent, _: &Config) -> Result<(), Error> {
        if sent.fields.contains_key("targets") {
            sent.fields.shift_remove("targets");
            sent.refuse("targets", "unknown field");
        }
        // Kong's, and as it is here: clients send it back.
        if sent.fields.get("use_srv_name") == Some(&json!(false)) {
            sent.fields.shift_remove("use_srv_name");
        }
        Ok(())
    }

    fn renamed(&self, _: &str, _: &Config) -> Result<Vec<Step>, &'static str> {
        Err("cannot be changed: services have it as their host; make a new upstream and delete this one")
    }
}
