//! Entities that are tables of a section, each under its name: `[services.demo]`.

use serde_json::Value;
use sluice_config::{Config, KeyPath, entity_id};

use crate::control::{Planned, Step};
use crate::editable::{Editable, Extent};
use crate::entities::Entity;
use crate::error::Error;
use crate::schemas::Described;
use crate::sent::Sent;
use crate::{coerce, names};

/// A kind of entity that has a section of the file. [`Editable`] follows from what it says.
pub(crate) trait Named: Entity {
    /// The field that is its name.
    const NAME: &'static str = "name";
    /// What its name may be.
    const CHECK: fn(&str) -> Result<(), &'static str> = names::check;
    /// The same as a schema.
    const NAME_SCHEMA: fn() -> Value = names::schema;

    /// Fields that are maps: one that is said is another map, while a table that is said changes what it names.
    const MAPS: &'static [&'static str] = &[];

    /// The keys of its table that are other entities: they stay whatever is said of this one.
    fn children() -> Vec<String> {
        vec!["plugins".to_owned()]
    }

    /// Makes what a client sends into what the file says. `old` is what is changed, if anything is.
    fn to_file(_sent: &mut Sent, _old: Option<&Self>, _extent: Extent, _config: &Config) -> Result<(), Error> {
        Ok(())
    }

    /// What must change with its name, or why that cannot change.
    fn renamed(&self, _name: &str, _config: &Config) -> Result<Vec<Step>, &'static str> {
        Ok(Vec::new())
    }

    /// What must go with it, or why it cannot go.
    fn deleted(&self, _config: &Config) -> Result<Vec<Step>, Error> {
        Ok(Vec::new())
    }
}

impl<E: Named> Editable for E {
    const KEY: &'static str = E::NAME;

    fn schema() -> &'static Value {
        coerce::table_of(E::TABLE)
    }

    fn create(mut sent: Sent, config: &Config) -> Result<Planned, Error> {
        let written = sent.id();
        let name = sent.text(E::NAME);
        check_name::<E>(name.as_deref(), &mut sent);
        E::to_file(&mut sent, None, Extent::Whole, config)?;
        let (mut table, _) = sent.into_table(Extent::Whole)?;
        let all = E::all(config);
        let is_taken = |name: &str| all.iter().any(|entity| entity.name() == Some(name));
        let name = match name {
            Some(name) if is_taken(&name) => return Err(Error::Unique(vec![(E::NAME, name.into())])),
            Some(name) => name,
            None => names::generate([E::TABLE.trim_end_matches('s')], is_taken),
        };
        let id = written.unwrap_or_else(|| entity_id(E::TABLE, &name));
        if all.iter().any(|entity| entity.id() == id) {
            return Err(Error::IdTaken(id));
        }
        if id != entity_id(E::TABLE, &name) {
            table.insert("id".to_owned(), id.to_string().into());
        }
        let at = KeyPath::of([E::TABLE, &name]);
        Ok(Planned { steps: vec![Step::Put { at: at.clone(), table, keep: Vec::new() }], at, id })
    }

    fn change(&self, mut sent: Sent, extent: Extent, config: &Config) -> Result<Planned, Error> {
        let old = self.name().unwrap_or_default();
        sent.same_id(self.id());
        let name = sent.text(E::NAME).filter(|name| name != old);
        check_name::<E>(name.as_deref(), &mut sent);
        let shown = self.show(config);
        if extent == Extent::Fields {
            E::MAPS.iter().for_each(|field| sent.replace_map(field, &shown));
        }
        sent.drop_unchanged(&shown, extent);
        E::to_file(&mut sent, Some(self), extent, config)?;
        let at = KeyPath::of([E::TABLE, name.as_deref().unwrap_or(old)]);
        let mut steps = match &name {
            Some(name) => rename(self, name, &mut sent, config)?,
            None => Vec::new(),
        };
        let (table, mut keep) = sent.into_table(extent)?;
        keep.extend(E::children());
        steps.push(extent.step(at.clone(), table, keep));
        Ok(Planned { steps, at, id: self.id() })
    }

    fn delete(&self, config: &Config) -> Result<Vec<Step>, Error> {
        let mut steps = self.deleted(config)?;
        steps.push(Step::Remove { at: KeyPath::of([E::TABLE, self.name().unwrap_or_default()]) });
        Ok(steps)
    }
}

/// The fields of a kind's table, and its name.
pub(crate) fn described<E: Named>() -> Described {
    let children = E::children();
    let table = Described::of(coerce::table_of(E::TABLE)).without(children.iter().map(String::as_str));
    table.first(E::NAME, E::NAME_SCHEMA()).unique(E::NAME)
}

fn check_name<E: Named>(name: Option<&str>, sent: &mut Sent) {
    if let Some(Err(why)) = name.map(E::CHECK) {
        sent.refuse(E::NAME, why);
    }
}

/// Another name for an entity, which keeps its id.
fn rename<E: Named>(entity: &E, name: &str, sent: &mut Sent, config: &Config) -> Result<Vec<Step>, Error> {
    if E::all(config).iter().any(|other| other.name() == Some(name)) {
        return Err(Error::Unique(vec![(E::NAME, name.into())]));
    }
    let old = KeyPath::of([E::TABLE, entity.name().unwrap_or_default()]);
    let mut steps = vec![Step::Merge { at: old.clone(), changes: id_of(entity.id()) }];
    match entity.renamed(name, config) {
        Ok(more) => steps.extend(more),
        Err(why) => sent.refuse(E::NAME, why),
    }
    steps.push(Step::Rename { at: old, name: name.to_owned() });
    Ok(steps)
}

/// An id as the file has it.
pub(crate) fn id_of(id: uuid::Uuid) -> serde_json::Map<String, Value> {
    [("id".to_owned(), id.to_string().into())].into_iter().collect()
}
