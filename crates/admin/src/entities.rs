//! What all kinds of entities have in common.

use std::borrow::Cow;

use serde_json::{Value, json};
use sluice_config::{Config, EventHook};
use uuid::Uuid;

use crate::error::Error;
use crate::parent::Parent;
use crate::schemas::Described;
use crate::{coerce, hook_name};

/// A kind of entity.
pub(crate) trait Entity: Clone + PartialEq + Send + Sync + 'static {
    /// Kong's name of its table; it stands in the place of the id in the paths of its kind.
    const TABLE: &'static str;
    /// Whether no more is shown of it than the file says.
    const SPARSE: bool = false;
    /// All of this kind, in the order of the file.
    fn all(config: &Config) -> Cow<'_, [Self]>;
    /// Its id.
    fn id(&self) -> Uuid;
    /// Its name, if it has one that no other of its kind has.
    fn name(&self) -> Option<&str>;
    /// Its fields as clients send them.
    fn described() -> Described;
    /// What a client sees of it.
    fn show(&self, config: &Config) -> Value;
    /// What nobody sees of it; two versions may differ in that alone.
    fn unshown(&self, _: &Config) -> Value {
        Value::Null
    }
    /// Whether all of this kind are as they were, if that can be seen without looking at each.
    fn are_as_they_were(_: &Config, _: &Config) -> bool {
        false
    }
    /// Whether it is as it was in an older configuration, seen at a glance. Where it is not, what is seen of both is compared.
    fn is_as_it_was(&self, _: &Config, (old, _): (&Self, &Config)) -> bool {
        self == old
    }
    /// Whether this stands for it in a path, in the place of its id.
    fn is_called(&self, key: &str, _: &Config) -> bool {
        self.name() == Some(key)
    }
    /// Whether it belongs to this one.
    fn belongs_to(&self, _: &Parent, _: &Config) -> bool {
        false
    }
}

/// An id as Kong writes ids; anything else is a name.
pub(crate) fn as_id(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|_| text.len() == 36)
}

/// The entity of this id or name.
pub(crate) fn find<E: Entity>(config: &Config, key: &str) -> Result<E, Error> {
    find_where(config, key, |_| true)
}

/// The entity of this id or name among those that are wanted.
pub(crate) fn find_where<E: Entity>(config: &Config, key: &str, wanted: impl Fn(&E) -> bool) -> Result<E, Error> {
    let all = E::all(config);
    let wanted = || all.iter().filter(|entity| wanted(entity));
    let by_id = as_id(key).and_then(|id| wanted().find(|entity| entity.id() == id));
    by_id.or_else(|| wanted().find(|entity| entity.is_called(key, config))).cloned().ok_or(Error::NotFound)
}

/// An entity that says by itself what is seen of it.
pub(crate) fn to_json(entity: &impl serde::Serialize) -> Value {
    serde_json::to_value(entity).unwrap_or_default()
}

impl Entity for EventHook {
    const TABLE: &'static str = "event_hooks";
    fn all(config: &Config) -> Cow<'_, [Self]> {
        Cow::Borrowed(&config.event_hooks)
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn described() -> Described {
        let handlers: Vec<&str> = sluice_hooks::HANDLERS.iter().map(|kind| kind.name).collect();
        let table = Described::of(coerce::table_of(Self::TABLE)).first("name", hook_name::schema());
        // By `source` and `event`, or by `events`.
        let (text, list, none) = (json!({ "type": "string" }), json!({ "type": "array" }), json!({ "type": "null" }));
        let told = json!([
            { "required": ["source"], "properties": { "source": text, "events": none } },
            { "required": ["events"], "properties": { "events": list, "source": none, "event": none } },
        ]);
        table.with("handler", json!({ "type": "string", "enum": handlers })).together("anyOf", told).fixed(&["name"])
    }
    fn show(&self, _: &Config) -> Value {
        sluice_hooks::entity_json(self)
    }
    fn unshown(&self, _: &Config) -> Value {
        self.fingerprint()
    }
}
