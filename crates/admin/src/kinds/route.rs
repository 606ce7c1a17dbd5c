//! Routes.

use std::borrow::Cow;

use serde_json::{Value, json};
use sluice_config::{Config, Route, Service};
use uuid::Uuid;

use super::plugin::{Scoped, pins};
use crate::control::Step;
use crate::editable::Extent;
use crate::entities::{Entity, to_json};
use crate::error::Error;
use crate::named::{Named, described};
use crate::parent::Parent;
use crate::schemas::Described;
use crate::sent::Sent;

impl Entity for Route {
    const TABLE: &'static str = "routes";
    fn all(config: &Config) -> Cow<'_, [Self]> {
        Cow::Borrowed(&config.routes)
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn described() -> Described {
        let some = |field: &str, kind: &str, least: &str| json!({ "required": [field], "properties": { field: { "type": kind, least: 1 } } });
        let lists = ["hosts", "paths", "methods", "snis", "sources"].map(|field| some(field, "array", "minItems"));
        let mut headers = some("headers", "object", "minProperties");
        headers["properties"]["headers"]["additionalProperties"] = json!({ "type": "array" });
        let matched: Vec<Value> = lists.into_iter().chain([headers]).collect();
        described::<Self>()
            .together("anyOf", json!(matched))
            .refers("service", Service::TABLE)
            .with("destinations", json!({ "type": "null" }))
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
    fn belongs_to(&self, parent: &Parent, _: &Config) -> bool {
        self.service.as_ref().is_some_and(|(_, id)| parent.is("service", *id))
    }
}

impl Named for Route {
    const MAPS: &'static [&'static str] = &["headers"];

    fn to_file(sent: &mut Sent, _: Option<&Self>, _: Extent, config: &Config) -> Result<(), Error> {
        if sent.fields.contains_key("service") {
            let service = sent.reference::<Service>("service", config)?;
            sent.fields.insert("service".into(), json!(service.map(|service| service.name)));
        }
        Ok(())
    }

    fn renamed(&self, _: &str, config: &Config) -> Result<Vec<Step>, &'static str> {
        Ok(pins(&self.scope(), config))
    }
}
