//! Groups of consumers.

use std::borrow::Cow;

use serde_json::{Value, json};
use sluice_config::{Config, Consumer, ConsumerGroup, KeyPath};
use uuid::Uuid;

use super::plugin::{Scoped, pins};
use crate::control::Step;
use crate::entities::{Entity, find, to_json};
use crate::error::Error;
use crate::named::{Named, described};
use crate::parent::Parent;
use crate::schemas::Described;

impl Entity for ConsumerGroup {
    const TABLE: &'static str = "consumer_groups";
    fn all(config: &Config) -> Cow<'_, [Self]> {
        Cow::Borrowed(&config.consumer_groups)
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn described() -> Described {
        described::<Self>()
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
    fn belongs_to(&self, parent: &Parent, config: &Config) -> bool {
        let consumer = (parent.field == "consumer").then(|| find::<Consumer>(config, &parent.id.to_string()).ok()).flatten();
        consumer.is_some_and(|consumer| consumer.groups.contains(&self.name))
    }
}

impl Named for ConsumerGroup {
    fn renamed(&self, name: &str, config: &Config) -> Result<Vec<Step>, &'static str> {
        let mut steps = with_groups(config, &self.name, Some(name));
        steps.extend(pins(&self.scope(), config));
        Ok(steps)
    }

    fn deleted(&self, config: &Config) -> Result<Vec<Step>, Error> {
        Ok(with_groups(config, &self.name, None))
    }
}

/// Gives the group another name in its members, or none.
fn with_groups(config: &Config, group: &str, name: Option<&str>) -> Vec<Step> {
    let members = config.consumers.iter().filter(|consumer| consumer.groups.iter().any(|one| one == group));
    let changed = members.map(|consumer| {
        let groups = consumer.groups.iter().filter_map(|one| if one == group { name } else { Some(one.as_str()) });
        set_groups(consumer, &groups.collect::<Vec<_>>())
    });
    changed.collect()
}

/// Makes these the groups of a consumer.
pub(super) fn set_groups(consumer: &Consumer, groups: &[&str]) -> Step {
    let groups = if groups.is_empty() { Value::Null } else { json!(groups) };
    let changes = [("groups".to_owned(), groups)].into_iter().collect();
    Step::Merge { at: KeyPath::of(["consumers", &consumer.username]), changes }
}
