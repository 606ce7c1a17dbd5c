//! Plugins: with the ids of what they belong to, and without their secrets.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use sluice_config::{Config, Consumer, ConsumerGroup, KeyPath, PluginEntry, Route, Scope, Segment, Service, entity_id};
use sluice_plugins::PLUGINS;
use uuid::Uuid;

use crate::coerce;
use crate::control::{Planned, Step};
use crate::editable::{Editable, Extent};
use crate::entities::Entity;
use crate::error::Error;
use crate::mask;
use crate::named::id_of;
use crate::names;
use crate::parent::Parent;
use crate::schemas::Described;
use crate::sent::Sent;
use crate::violations::MISSING;

/// What stands in the file beside a plugin's own options.
const BESIDE: [&str; 5] = ["id", "instance_name", "enabled", "protocols", "tags"];

/// An entity that may have plugins of its own.
pub(crate) trait Scoped: Entity {
    /// The scope of its plugins.
    fn scope(&self) -> Scope;
}

impl Scoped for Service {
    fn scope(&self) -> Scope {
        Scope::Service(self.name.clone())
    }
}

impl Scoped for Route {
    fn scope(&self) -> Scope {
        Scope::Route(self.name.clone())
    }
}

impl Scoped for Consumer {
    fn scope(&self) -> Scope {
        Scope::Consumer(self.username.clone())
    }
}

impl Scoped for ConsumerGroup {
    fn scope(&self) -> Scope {
        Scope::ConsumerGroup(self.name.clone())
    }
}

impl Entity for PluginEntry {
    const TABLE: &'static str = "plugins";

    fn all(config: &Config) -> Cow<'_, [Self]> {
        Cow::Borrowed(&config.plugins)
    }

    fn id(&self) -> Uuid {
        self.id
    }

    /// That of this instance: several plugins have the same name, each in its scope.
    fn name(&self) -> Option<&str> {
        self.instance_name.as_deref()
    }

    fn described() -> Described {
        let names: Vec<&str> = PLUGINS.iter().map(|kind| kind.name).collect();
        let beside = &coerce::FILE["$defs"]["plugins"]["properties"][PLUGINS[0].name]["properties"];
        let mut fields = Described::of(&Value::Null).with("name", json!({ "type": "string", "enum": names })).needed("name");
        for field in ["instance_name", "enabled", "protocols", "tags"] {
            fields = fields.with(field, beside[field].clone());
        }
        fields
            .with("instance_name", names::schema())
            .refers("service", Service::TABLE)
            .refers("route", Route::TABLE)
            .refers("consumer", Consumer::TABLE)
            .refers("consumer_group", ConsumerGroup::TABLE)
            .with("config", json!({ "type": "object" }))
            .unique("instance_name")
            .fixed(&["name", "service", "route", "consumer", "consumer_group"])
    }
    fn show(&self, _: &Config) -> Value {
        let mut shown = options(self);
        mask::hide(&mut shown);
        let [mut service, mut route, mut consumer, mut group] = [const { Value::Null }; 4];
        let owner = self.owner.map_or(Value::Null, |id| json!({ "id": id }));
        match &self.scope {
            Scope::Global => {}
            Scope::Service(_) => service = owner,
            Scope::Route(_) => route = owner,
            Scope::Consumer(_) => consumer = owner,
            Scope::ConsumerGroup(_) => group = owner,
        }
        json!({
            "id": self.id,
            "name": self.name,
            "instance_name": self.instance_name,
            "service": service,
            "route": route,
            "consumer": consumer,
            "consumer_group": group,
            "enabled": self.enabled,
            "config": shown,
            "protocols": self.protocols,
            "tags": (!self.tags.is_empty()).then_some(&self.tags),
            "created_at": self.stamps.created_at,
            "updated_at": self.stamps.updated_at,
        })
    }

    fn unshown(&self, _: &Config) -> Value {
        options(self)
    }

    fn belongs_to(&self, parent: &Parent, _: &Config) -> bool {
        let (field, name) = match &self.scope {
            Scope::Global => return false,
            Scope::Service(name) => ("service", name),
            Scope::Route(name) => ("route", name),
            Scope::Consumer(name) => ("consumer", name),
            Scope::ConsumerGroup(name) => ("consumer_group", name),
        };
        parent.field == field && parent.name == *name
    }
}

/// Its options with all that the file does not say: to spell out a default is no change.
fn options(plugin: &PluginEntry) -> Value {
    sluice_plugins::with_defaults(&plugin.name, plugin.block.to_json())
}

fn reference<E: Entity>(config: &Config, name: &str) -> Value {
    E::all(config).iter().find(|entity| entity.name() == Some(name)).map_or(Value::Null, |entity| json!({ "id": entity.id() }))
}

impl Editable for PluginEntry {
    const KEY: &'static str = "instance_name";

    fn schema() -> &'static Value {
        static SCHEMA: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| {
            let list = json!({ "type": "array", "items": { "type": "string" } });
            json!({ "properties": { "enabled": { "type": "boolean" }, "tags": list, "protocols": list } })
        });
        &SCHEMA
    }

    fn create(mut sent: Sent, config: &Config) -> Result<Planned, Error> {
        let written = sent.id();
        let name = sent.text("name");
        if name.is_none() && !sent.violations.has(&KeyPath::of(["name"])) {
            sent.refuse("name", MISSING);
        }
        let scope = take_scope(&mut sent, config)?;
        let options = take_options(&mut sent, name.as_deref());
        refuse_unknown(&mut sent);
        let (Some(name), Some(scope)) = (name, scope) else {
            sent.into_table(Extent::Whole)?;
            return Err(Error::NotFound);
        };
        let at = place_of(&scope).key("plugins").key(&name);
        sent.fields.extend(options);
        let (mut table, _) = sent.into_table(Extent::Whole).map_err(in_config)?;
        if config.plugins.iter().any(|plugin| plugin.name == name && plugin.scope == scope) {
            return Err(taken(&name, &scope, config));
        }
        check_instance(&table, None, config)?;
        let derived = entity_id("plugins", &at.to_string());
        let id = written.unwrap_or(derived);
        if config.plugins.iter().any(|plugin| plugin.id == id) {
            return Err(Error::IdTaken(id));
        }
        if id != derived {
            table.insert("id".into(), id.to_string().into());
        }
        Ok(Planned { steps: vec![Step::Put { at: at.clone(), table, keep: Vec::new() }], at, id })
    }

    fn rehearse(mut sent: Sent, config: &Config) -> Result<Planned, Error> {
        match Self::create(sent.clone(), config) {
            Err(Error::IdTaken(_)) if sent.take("id").is_some() => Self::rehearse(sent, config),
            Err(Error::Unique(fields)) if fields[0].0 == "instance_name" => {
                sent.fields.shift_remove("instance_name");
                Self::rehearse(sent, config)
            }
            // There is one of this name here: it is as if this were put in its place.
            Err(Error::Unique(_) | Error::IdTaken(_)) => {
                let scope = take_scope(&mut sent.clone(), config)?;
                let name = sent.fields.get("name").cloned();
                let other = |plugin: &&Self| Some(&plugin.scope) == scope.as_ref() && name.as_ref() == Some(&json!(plugin.name));
                let other = config.plugins.iter().find(other).ok_or(Error::NotFound)?;
                sent.fields.shift_remove("id");
                other.change(sent, Extent::Whole, config)
            }
            planned => planned,
        }
    }

    fn change(&self, mut sent: Sent, extent: Extent, config: &Config) -> Result<Planned, Error> {
        sent.same_id(self.id);
        let shown = self.show(config);
        // Where it applies is for its life, as its name.
        for field in ["name", "service", "route", "consumer", "consumer_group"] {
            let said = sent.fields.shift_remove(field);
            if said.is_some_and(|said| !says(&said, &shown[field], config)) {
                sent.refuse(field, "cannot be changed; make a new plugin and delete this one");
            }
        }
        let options = take_options(&mut sent, Some(&self.name));
        refuse_unknown(&mut sent);
        sent.drop_unchanged(&shown, extent);
        let mut own = Sent { fields: options, ..Sent::default() };
        own.drop_unchanged(&shown["config"], extent);
        sent.fields.extend(own.fields);
        sent.keep.extend(own.keep);
        let (table, keep) = sent.into_table(extent).map_err(in_config)?;
        check_instance(&table, Some(self), config)?;
        let at = self.block.path().clone();
        Ok(Planned { steps: vec![extent.step(at.clone(), table, keep)], at, id: self.id })
    }

    fn delete(&self, _: &Config) -> Result<Vec<Step>, Error> {
        Ok(vec![Step::Remove { at: self.block.path().clone() }])
    }

    /// A plugin's options are the fields of `config`; what is said of the table as a whole is said of it.
    fn field_of(path: KeyPath) -> KeyPath {
        match path.0.first() {
            Some(Segment::Key(key)) if BESIDE.contains(&key.as_str()) => path,
            None => path,
            _ => KeyPath::of(["config"]).join(&path),
        }
    }
}

/// Takes out what a plugin belongs to: one entity, or none. None if that cannot be.
fn take_scope(sent: &mut Sent, config: &Config) -> Result<Option<Scope>, Error> {
    let service = sent.reference::<Service>("service", config)?.map(|entity| entity.scope());
    let route = sent.reference::<Route>("route", config)?.map(|entity| entity.scope());
    let consumer = sent.reference::<Consumer>("consumer", config)?.map(|entity| entity.scope());
    let group = sent.reference::<ConsumerGroup>("consumer_group", config)?.map(|entity| entity.scope());
    let mut scopes = [service, route, consumer, group].into_iter().flatten();
    let first = scopes.next().unwrap_or(Scope::Global);
    if scopes.next().is_some() {
        let why = "a plugin belongs to one of service, route, consumer and consumer_group, or to none of them";
        sent.violations.push(KeyPath::default(), why);
        return Ok(None);
    }
    Ok(Some(first))
}

/// Takes out the options, each with its type if they came in a form.
fn take_options(sent: &mut Sent, name: Option<&str>) -> Map<String, Value> {
    let mut options = match sent.take("config") {
        None => Map::new(),
        Some(Value::Object(options)) => options,
        Some(_) => {
            sent.refuse("config", "expected a record");
            Map::new()
        }
    };
    let kind = name.and_then(sluice_plugins::plugin);
    if let (Some(name), None) = (name, kind) {
        sent.refuse("name", format!("plugin '{name}' not enabled; add it to the 'plugins' configuration property"));
    }
    if let Some(kind) = kind {
        let mut value = Value::Object(options);
        if sent.is_form {
            coerce::coerce(&mut value, &(kind.schema)());
        }
        options = match value {
            Value::Object(options) => options,
            _ => Map::new(),
        };
    }
    for key in BESIDE {
        if options.contains_key(key) {
            options.shift_remove(key);
            sent.violations.push(KeyPath::of(["config", key]), "unknown field");
        }
    }
    options
}

fn refuse_unknown(sent: &mut Sent) {
    let unknown: Vec<String> = sent.fields.keys().filter(|key| !BESIDE.contains(&key.as_str())).cloned().collect();
    for key in unknown {
        // Kong has it, and nothing else than this is known here.
        let null = sent.fields.shift_remove(&key).is_none_or(|value| value.is_null());
        if !null {
            sent.refuse(&key, "unknown field");
        }
    }
}

/// What is wrong with options is told at the fields of `config`.
fn in_config(error: Error) -> Error {
    match error {
        Error::Schema(violations) => Error::Schema(violations.mapped(PluginEntry::field_of)),
        error => error,
    }
}

fn check_instance(table: &Map<String, Value>, own: Option<&PluginEntry>, config: &Config) -> Result<(), Error> {
    let Some(name) = table.get("instance_name").and_then(Value::as_str) else { return Ok(()) };
    let others = config.plugins.iter().filter(|plugin| own.is_none_or(|own| own.id != plugin.id));
    match others.into_iter().any(|plugin| plugin.instance_name.as_deref() == Some(name)) {
        true => Err(Error::Unique(vec![("instance_name", name.into())])),
        false => Ok(()),
    }
}

/// Whether a field says what is shown; a reference may say it by a name.
fn says(said: &Value, shown: &Value, config: &Config) -> bool {
    if said == shown {
        return true;
    }
    let key =
        said.as_str().or_else(|| said["id"].as_str()).or_else(|| said["name"].as_str()).or_else(|| said["username"].as_str());
    let id = shown["id"].as_str();
    let (Some(key), Some(id)) = (key, id) else { return false };
    let named = |name: Option<&str>, of: Uuid| name == Some(key) && of.to_string() == id;
    key == id
        || config.services.iter().any(|one| named(Some(&one.name), one.id))
        || config.routes.iter().any(|one| named(Some(&one.name), one.id))
        || config.consumers.iter().any(|one| named(Some(&one.username), one.id))
        || config.consumer_groups.iter().any(|one| named(Some(&one.name), one.id))
}

/// Where the file has what a scope is of.
fn place_of(scope: &Scope) -> KeyPath {
    match scope {
        Scope::Global => KeyPath::default(),
        Scope::Service(name) => KeyPath::of(["services", name]),
        Scope::Route(name) => KeyPath::of(["routes", name]),
        Scope::Consumer(name) => KeyPath::of(["consumers", name]),
        Scope::ConsumerGroup(name) => KeyPath::of(["consumer_groups", name]),
    }
}

/// Kong's composite key of a plugin.
fn taken(name: &str, scope: &Scope, config: &Config) -> Error {
    let (service, route, consumer) = match scope {
        Scope::Service(name) => (reference::<Service>(config, name), Value::Null, Value::Null),
        Scope::Route(name) => (Value::Null, reference::<Route>(config, name), Value::Null),
        Scope::Consumer(name) => (Value::Null, Value::Null, reference::<Consumer>(config, name)),
        Scope::Global | Scope::ConsumerGroup(_) => (Value::Null, Value::Null, Value::Null),
    };
    Error::Unique(vec![("consumer", consumer), ("name", name.into()), ("route", route), ("service", service)])
}

/// Writes the ids of the plugins of a scope that follow from its name, so that they stay when the name does not.
pub(crate) fn pins(scope: &Scope, config: &Config) -> Vec<Step> {
    let own = config.plugins.iter().filter(|plugin| plugin.scope == *scope);
    let derived = own.filter(|plugin| plugin.id == entity_id("plugins", &plugin.block.path().to_string()));
    derived.map(|plugin| Step::Merge { at: plugin.block.path().clone(), changes: id_of(plugin.id) }).collect()
}
