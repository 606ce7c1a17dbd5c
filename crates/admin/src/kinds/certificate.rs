//! Certificates. No key is shown.

use std::borrow::Cow;

use serde_json::{Value, json};
use sluice_config::{Certificate, Config};
use uuid::Uuid;

use crate::control::Step;
use crate::editable::Extent;
use crate::entities::{Entity, to_json};
use crate::error::Error;
use crate::named::{Named, described};
use crate::schemas::Described;
use crate::sent::Sent;

impl Entity for Certificate {
    const TABLE: &'static str = "certificates";
    fn all(config: &Config) -> Cow<'_, [Self]> {
        Cow::Borrowed(&config.certificates)
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn described() -> Described {
        described::<Self>().fixed(&["name"]).derived("not_after", json!({ "type": "integer", "format": "unix-time" }))
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
    fn is_called(&self, key: &str, config: &Config) -> bool {
        // Kong finds a certificate by one of its names as well.
        self.name == key || config.snis.iter().any(|sni| sni.name == key && sni.certificate == self.id)
    }
}

impl Named for Certificate {
    fn children() -> Vec<String> {
        Vec::new()
    }

    fn to_file(sent: &mut Sent, old: Option<&Self>, extent: Extent, config: &Config) -> Result<(), Error> {
        // It follows from the certificate.
        sent.fields.shift_remove("not_after");
        let names = sent.fields.get("snis").and_then(Value::as_array);
        let taken = names
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .find(|name| config.snis.iter().any(|sni| sni.name == *name && old.is_none_or(|old| old.id != sni.certificate)));
        if let Some(name) = taken {
            return Err(Error::Unique(vec![("name", name.into())]));
        }
        // Names that are not said stay, as they do in Kong, where they are entities of their own.
        if old.is_some() && extent == Extent::Whole && !sent.fields.contains_key("snis") {
            sent.keep.push("snis".to_owned());
        }
        Ok(())
    }

    fn renamed(&self, _: &str, _: &Config) -> Result<Vec<Step>, &'static str> {
        Err("cannot be changed: listeners name it; make a new certificate and delete this one")
    }

    fn deleted(&self, config: &Config) -> Result<Vec<Step>, Error> {
        let is_needed =
            config.services.iter().any(|service| service.tls.client_certificate.as_ref().is_some_and(|(_, id)| *id == self.id));
        if is_needed { Err(Error::Referenced("services", "certificates")) } else { Ok(Vec::new()) }
    }
}
