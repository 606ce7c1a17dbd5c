//! Names that certificates are served for: strings in the list of their certificate.

use std::borrow::Cow;

use serde_json::{Value, json};
use sluice_config::{Certificate, Config, KeyPath, Sni, entity_id};
use uuid::Uuid;

use crate::coerce;
use crate::control::{Planned, Step};
use crate::editable::{Editable, Extent};
use crate::entities::{Entity, find, to_json};
use crate::error::Error;
use crate::parent::Parent;
use crate::schemas::Described;
use crate::sent::Sent;
use crate::violations::MISSING;

impl Entity for Sni {
    const TABLE: &'static str = "snis";
    fn all(config: &Config) -> Cow<'_, [Self]> {
        Cow::Borrowed(&config.snis)
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn described() -> Described {
        let name = &coerce::table_of(Certificate::TABLE)["properties"]["snis"]["items"];
        Described::of(&json!({ "properties": { "name": name } }))
            .refers("certificate", Certificate::TABLE)
            .needed("name")
            .needed("certificate")
            .unique("name")
            .with("tags", json!({ "type": "null", "description": "Not available yet." }))
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
    fn belongs_to(&self, parent: &Parent, _: &Config) -> bool {
        parent.is("certificate", self.certificate)
    }
}

impl Editable for Sni {
    const KEY: &'static str = "name";

    fn schema() -> &'static Value {
        &Value::Null
    }

    fn create(mut sent: Sent, config: &Config) -> Result<Planned, Error> {
        let _ = sent.id();
        let name = sent.text("name").map(|name| name.to_ascii_lowercase());
        let certificate = sent.reference::<Certificate>("certificate", config)?;
        for (field, is_there) in [("name", name.is_some()), ("certificate", certificate.is_some())] {
            if !is_there && !sent.violations.has(&KeyPath::of([field])) {
                sent.refuse(field, MISSING);
            }
        }
        refuse_the_rest(&mut sent);
        sent.violations.into_result()?;
        let (Some(name), Some(certificate)) = (name, certificate) else { return Err(Error::NotFound) };
        if config.snis.iter().any(|sni| sni.name == name) {
            return Err(Error::Unique(vec![("name", name.into())]));
        }
        Ok(added(&name, &certificate))
    }

    fn change(&self, mut sent: Sent, _: Extent, config: &Config) -> Result<Planned, Error> {
        sent.same_id(self.id);
        let name = sent.text("name").map_or_else(|| self.name.clone(), |name| name.to_ascii_lowercase());
        let old = find::<Certificate>(config, &self.certificate.to_string())?;
        let new = sent.reference::<Certificate>("certificate", config)?.unwrap_or_else(|| old.clone());
        refuse_the_rest(&mut sent);
        sent.violations.into_result()?;
        if name == self.name && new.id == old.id {
            return Ok(Planned { id: self.id, ..Planned::default() });
        }
        if name != self.name && config.snis.iter().any(|sni| sni.name == name) {
            return Err(Error::Unique(vec![("name", name.into())]));
        }
        let rest = without(&old, &self.name);
        if new.id == old.id {
            return Ok(added(&name, &Certificate { snis: rest, ..old }));
        }
        let mut planned = added(&name, &new);
        planned.steps.insert(0, set_names(&old, &rest));
        Ok(planned)
    }

    fn delete(&self, config: &Config) -> Result<Vec<Step>, Error> {
        let certificate = find::<Certificate>(config, &self.certificate.to_string())?;
        Ok(vec![set_names(&certificate, &without(&certificate, &self.name))])
    }

    fn field_of(_: KeyPath) -> KeyPath {
        KeyPath::of(["name"])
    }
}

/// Kong has tags here; the file, where a name is a string, has no place for them.
fn refuse_the_rest(sent: &mut Sent) {
    let rest: Vec<String> = sent.fields.iter().filter(|(_, value)| !value.is_null()).map(|(field, _)| field.clone()).collect();
    for field in rest {
        let why = if field == "tags" { "`tags` of a name are not available yet" } else { "unknown field" };
        sent.refuse(&field, why);
    }
}

fn without(certificate: &Certificate, name: &str) -> Vec<String> {
    certificate.snis.iter().filter(|sni| *sni != name).cloned().collect()
}

fn added(name: &str, certificate: &Certificate) -> Planned {
    let names: Vec<String> = certificate.snis.iter().cloned().chain([name.to_owned()]).collect();
    let at = KeyPath::of([Certificate::TABLE, &certificate.name, "snis"]);
    Planned { steps: vec![set_names(certificate, &names)], at, id: entity_id("snis", name) }
}

fn set_names(certificate: &Certificate, names: &[String]) -> Step {
    let changes = [("snis".to_owned(), json!(names))].into_iter().collect();
    Step::Merge { at: KeyPath::of([Certificate::TABLE, &certificate.name]), changes }
}
