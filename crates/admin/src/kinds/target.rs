//! Targets: elements of the list of their upstream.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use sluice_config::{Config, KeyPath, Target, TargetPlace, Upstream, entity_id};
use uuid::Uuid;

use crate::coerce;
use crate::control::{Planned, Step};
use crate::editable::{Editable, Extent};
use crate::entities::{Entity, find_where, to_json};
use crate::error::Error;
use crate::parent::Parent;
use crate::schemas::Described;
use crate::sent::Sent;
use crate::violations::{MISSING, Violations};

impl Entity for Target {
    const TABLE: &'static str = "targets";
    fn all(config: &Config) -> Cow<'_, [Self]> {
        Cow::Borrowed(&config.targets)
    }
    fn id(&self) -> Uuid {
        self.id
    }
    /// None: two upstreams may have the same target.
    fn name(&self) -> Option<&str> {
        None
    }
    fn described() -> Described {
        let table = coerce::resolve(Self::schema())["anyOf"].as_array().and_then(|ways| ways.last());
        Described::of(table.unwrap_or(&Value::Null))
            .refers("upstream", Upstream::TABLE)
            .needed("upstream")
            .needed("target")
            .fixed(&["upstream"])
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
    /// As it is written; the port may be left out as in the file.
    fn is_called(&self, key: &str, _: &Config) -> bool {
        TargetPlace::parse(key).is_ok_and(|place| place == self.place)
    }
    fn belongs_to(&self, parent: &Parent, _: &Config) -> bool {
        parent.is("upstream", self.upstream.1)
    }
}

/// A target of this upstream, by its id or as it is written.
pub(crate) fn find_target(config: &Config, upstream: &Upstream, key: &str) -> Result<Target, Error> {
    find_where(config, key, |target: &Target| target.upstream.1 == upstream.id)
}

impl Editable for Target {
    const KEY: &'static str = "target";

    fn schema() -> &'static Value {
        &coerce::FILE["properties"]["upstreams"]["additionalProperties"]["properties"]["targets"]["items"]
    }

    fn create(mut sent: Sent, config: &Config) -> Result<Planned, Error> {
        let written = sent.id();
        let upstream = sent.reference::<Upstream>("upstream", config)?;
        if upstream.is_none() {
            sent.refuse("upstream", MISSING);
        }
        let text = sent.text("target");
        if text.is_none() && !sent.violations.has(&KeyPath::of(["target"])) {
            sent.refuse("target", MISSING);
        }
        let (mut table, _) = sent.into_table(Extent::Whole)?;
        let (Some(upstream), Some(text)) = (upstream, text) else { return Err(Error::NotFound) };
        let place = parse(&text)?;
        if config.targets.iter().any(|target| target.upstream.1 == upstream.id && target.place == place) {
            return Err(taken(&upstream, &place));
        }
        let list = KeyPath::of([Upstream::TABLE, &upstream.name, "targets"]);
        let at = list.index(config.targets.iter().filter(|target| target.upstream.1 == upstream.id).count());
        table.insert("target".into(), text.into());
        let derived = derived_id(&upstream.name, &place);
        let id = written.unwrap_or(derived);
        if config.targets.iter().any(|target| target.id == id) {
            return Err(Error::IdTaken(id));
        }
        if id != derived {
            table.insert("id".into(), id.to_string().into());
        }
        Ok(Planned { steps: vec![Step::Push { at: list, value: in_order(table) }], at, id })
    }

    fn change(&self, mut sent: Sent, extent: Extent, config: &Config) -> Result<Planned, Error> {
        sent.same_id(self.id);
        sent.fields.shift_remove("upstream");
        let text = sent.text("target");
        let mut table = Map::new();
        if extent == Extent::Fields {
            table = written(self);
        }
        let (changes, _) = sent.into_table(Extent::Whole)?;
        table.extend(changes);
        let place = text.as_deref().map_or_else(|| Ok(self.place.clone()), parse)?;
        let siblings = || config.targets.iter().filter(|target| target.upstream == self.upstream);
        if siblings().any(|target| target.place == place && target.id != self.id) {
            return Err(Error::Unique(vec![("target", place.to_string().into())]));
        }
        table.insert("target".into(), text.unwrap_or_else(|| self.place.to_string()).into());
        let at = at(self, config);
        // It is the same one, whatever it is called from now on.
        if self.id != derived_id(&self.upstream.0, &place) {
            table.insert("id".into(), self.id.to_string().into());
        }
        let Value::Object(table) = in_order(table) else { return Err(Error::NotFound) };
        Ok(Planned { steps: vec![Step::Put { at: at.clone(), table, keep: Vec::new() }], at, id: self.id })
    }

    fn delete(&self, config: &Config) -> Result<Vec<Step>, Error> {
        Ok(vec![Step::Remove { at: at(self, config) }])
    }
}

fn derived_id(upstream: &str, place: &TargetPlace) -> Uuid {
    entity_id("targets", &format!("{upstream} {place}"))
}

fn parse(text: &str) -> Result<TargetPlace, Error> {
    TargetPlace::parse(text).map_err(|why| Error::Schema(Violations::one(KeyPath::of(["target"]), why)))
}

fn taken(upstream: &Upstream, place: &TargetPlace) -> Error {
    Error::Unique(vec![("upstream", json!({ "id": upstream.id })), ("target", place.to_string().into())])
}

/// Where the file has it.
fn at(target: &Target, config: &Config) -> KeyPath {
    let list = KeyPath::of([Upstream::TABLE, &target.upstream.0, "targets"]);
    let siblings = config.targets.iter().filter(|other| other.upstream == target.upstream);
    list.index(siblings.take_while(|other| other.id != target.id).count())
}

/// What the file says of it beside its place.
fn written(target: &Target) -> Map<String, Value> {
    let mut table = Map::new();
    if target.weight != 100 {
        table.insert("weight".into(), target.weight.into());
    }
    if !target.tags.is_empty() {
        table.insert("tags".into(), json!(target.tags));
    }
    table
}

/// The table with the target first.
fn in_order(mut table: Map<String, Value>) -> Value {
    let target = table.shift_remove("target");
    let first = target.map(|target| ("target".to_owned(), target));
    Value::Object(first.into_iter().chain(table).collect())
}
