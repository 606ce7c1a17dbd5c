//! Services.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use sluice_config::{CaCertificate, Certificate, Config, KeyPath, Protocol, Service};
use uuid::Uuid;

use super::plugin::{Scoped, pins};
use crate::control::Step;
use crate::editable::Extent;
use crate::entities::{Entity, to_json};
use crate::error::Error;
use crate::named::{Named, described};
use crate::schemas::{Described, foreign};
use crate::sent::Sent;
use crate::violations::MISSING;

/// The parts of `url`.
const PARTS: [&str; 4] = ["protocol", "host", "port", "path"];

impl Entity for Service {
    const TABLE: &'static str = "services";
    fn all(config: &Config) -> Cow<'_, [Self]> {
        Cow::Borrowed(&config.services)
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn described() -> Described {
        let authorities = json!({ "type": "array", "items": foreign(CaCertificate::TABLE) });
        // By `url` or by its parts.
        let (text, none) = (json!({ "type": "string" }), json!({ "type": "null" }));
        let parts: Map<String, Value> = PARTS.iter().map(|part| ((*part).to_owned(), none.clone())).collect();
        let mut by_url = json!({ "required": ["url"], "properties": parts });
        by_url["properties"]["url"] = text.clone();
        let placed = json!([by_url, { "required": ["host"], "properties": { "host": text, "url": none } }]);
        described::<Self>()
            .refers("client_certificate", Certificate::TABLE)
            .with("ca_certificates", authorities)
            .shorthand("url")
            .together("anyOf", placed)
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
}

impl Named for Service {
    fn to_file(sent: &mut Sent, old: Option<&Self>, extent: Extent, config: &Config) -> Result<(), Error> {
        if let Some(old) = old {
            place(sent, old, extent);
        }
        let is_placed =
            ["url", "host"].iter().any(|field| sent.fields.contains_key(*field) || sent.keep.iter().any(|kept| kept == field));
        if extent == Extent::Whole && !is_placed {
            sent.refuse("host", MISSING);
        }
        if sent.fields.contains_key("client_certificate") {
            let certificate = sent.reference::<Certificate>("client_certificate", config)?;
            sent.fields.insert("client_certificate".into(), json!(certificate.map(|certificate| certificate.name)));
        }
        authorities(sent, config)
    }

    fn renamed(&self, name: &str, config: &Config) -> Result<Vec<Step>, &'static str> {
        let routes = config.routes.iter().filter(|route| route.service.as_ref().is_some_and(|(_, id)| *id == self.id));
        let follow = routes.map(|route| Step::Merge {
            at: KeyPath::of(["routes", &route.name]),
            changes: [("service".to_owned(), name.into())].into_iter().collect(),
        });
        Ok(follow.chain(pins(&self.scope(), config)).collect())
    }

    fn deleted(&self, config: &Config) -> Result<Vec<Step>, Error> {
        let is_needed = config.routes.iter().any(|route| route.service.as_ref().is_some_and(|(_, id)| *id == self.id));
        if is_needed { Err(Error::Referenced("routes", "services")) } else { Ok(Vec::new()) }
    }
}

/// Where a service is: the file may say it by `url` or by its parts, and says it by one of them after a change as well.
fn place(sent: &mut Sent, old: &Service, extent: Extent) {
    let keys = || PARTS.into_iter().chain(["url"]).map(str::to_owned);
    if let Some(url) = sent.take("url") {
        sent.fields.insert("url".into(), url);
        let said = PARTS.iter().filter(|part| sent.fields.get(**part).is_some_and(|value| !value.is_null()));
        for part in said.copied().collect::<Vec<_>>() {
            sent.refuse(part, format!("`url` says the {part} already (write one of the two)"));
        }
        if extent == Extent::Fields {
            sent.fields.extend(PARTS.map(|part| (part.to_owned(), Value::Null)));
        }
        return;
    }
    let shown = to_json(old);
    let kept = PARTS.map(|part| sent.keep.iter().any(|key| key == part));
    match extent {
        Extent::Fields if PARTS.iter().any(|part| sent.fields.contains_key(*part)) => {
            sent.fields.insert("url".into(), Value::Null);
            for part in PARTS {
                sent.fields.entry(part).or_insert_with(|| shown[part].clone());
            }
        }
        Extent::Fields => {}
        // What is not said is the default, which may be what the service has.
        Extent::Whole => {
            let said = |part: &str| sent.fields.contains_key(part);
            let default = |part: &str| match part {
                "protocol" => json!(Protocol::Http),
                "port" => json!(80),
                _ => Value::Null,
            };
            let same = PARTS.iter().zip(kept).all(|(part, kept)| kept || (!said(part) && shown[*part] == default(part)));
            if same {
                sent.keep.extend(keys());
            } else {
                for (part, kept) in PARTS.into_iter().zip(kept) {
                    if kept {
                        sent.fields.insert(part.into(), shown[part].clone());
                    }
                }
                sent.keep.retain(|key| !PARTS.contains(&key.as_str()));
            }
        }
    }
}

/// Authorities stand in the file by their names.
fn authorities(sent: &mut Sent, config: &Config) -> Result<(), Error> {
    let Some(Value::Array(ids)) = sent.fields.get("ca_certificates").cloned() else { return Ok(()) };
    let mut names = Vec::new();
    for id in ids {
        let mut one = Sent::default();
        one.fields.insert("ca_certificates".into(), id);
        match one.reference::<CaCertificate>("ca_certificates", config)? {
            Some(authority) => names.push(authority.name),
            None => sent.refuse("ca_certificates", "expected a list of ids"),
        }
    }
    sent.fields.insert("ca_certificates".into(), json!(names));
    Ok(())
}
