//! Consumers.

use std::borrow::Cow;

use serde_json::{Value, json};
use sluice_config::{Config, Consumer};
use sluice_plugins::PLUGINS;
use uuid::Uuid;

use super::credential;
use super::plugin::{Scoped, pins};
use crate::control::Step;
use crate::editable::Extent;
use crate::entities::{Entity, to_json};
use crate::error::Error;
use crate::named::{Named, described};
use crate::names;
use crate::parent::Parent;
use crate::schemas::Described;
use crate::sent::Sent;

impl Entity for Consumer {
    const TABLE: &'static str = "consumers";
    fn all(config: &Config) -> Cow<'_, [Self]> {
        Cow::Borrowed(&config.consumers)
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.username)
    }
    fn described() -> Described {
        described::<Self>().unique("custom_id").derived("username_lower", json!({ "type": "string" }))
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
    fn belongs_to(&self, parent: &Parent, _: &Config) -> bool {
        parent.field == "consumer_group" && self.groups.contains(&parent.name)
    }
}

impl Named for Consumer {
    const NAME: &'static str = "username";
    const CHECK: fn(&str) -> Result<(), &'static str> = names::check_any;
    const NAME_SCHEMA: fn() -> Value = names::schema_of_any;

    fn children() -> Vec<String> {
        let lists = PLUGINS.iter().filter_map(|kind| kind.credential).map(|kind| kind.list);
        lists.chain(["plugins", "groups"]).map(str::to_owned).collect()
    }

    fn to_file(sent: &mut Sent, old: Option<&Self>, _: Extent, config: &Config) -> Result<(), Error> {
        // It follows from the name.
        sent.fields.shift_remove("username_lower");
        sent.fields.shift_remove("type");
        for child in Self::children() {
            if sent.fields.contains_key(&child) {
                sent.refuse(&child, "unknown field");
                sent.fields.shift_remove(&child);
            }
        }
        let custom_id = sent.fields.get("custom_id").and_then(Value::as_str);
        let other = |consumer: &&Consumer| old.is_none_or(|old| old.id != consumer.id);
        match custom_id {
            Some(id) if config.consumers.iter().filter(other).any(|consumer| consumer.custom_id.as_deref() == Some(id)) => {
                Err(Error::Unique(vec![("custom_id", id.into())]))
            }
            _ => Ok(()),
        }
    }

    fn renamed(&self, _: &str, config: &Config) -> Result<Vec<Step>, &'static str> {
        let mut steps = pins(&self.scope(), config);
        steps.extend(credential::pins(self));
        Ok(steps)
    }
}
