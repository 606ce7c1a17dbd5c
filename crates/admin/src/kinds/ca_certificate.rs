//! Authorities.

use std::borrow::Cow;

use serde_json::{Value, json};
use sluice_config::{CaCertificate, Config};
use uuid::Uuid;

use crate::control::Step;
use crate::editable::Extent;
use crate::entities::{Entity, to_json};
use crate::error::Error;
use crate::named::{Named, described};
use crate::schemas::Described;
use crate::sent::Sent;

impl Entity for CaCertificate {
    const TABLE: &'static str = "ca_certificates";
    fn all(config: &Config) -> Cow<'_, [Self]> {
        Cow::Borrowed(&config.ca_certificates)
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn described() -> Described {
        described::<Self>().fixed(&["name"]).derived("cert_digest", json!({ "type": "string" }))
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
}

impl Named for CaCertificate {
    fn children() -> Vec<String> {
        Vec::new()
    }

    fn to_file(sent: &mut Sent, _: Option<&Self>, _: Extent, _: &Config) -> Result<(), Error> {
        // It follows from the certificate.
        sent.fields.shift_remove("cert_digest");
        Ok(())
    }

    fn renamed(&self, _: &str, _: &Config) -> Result<Vec<Step>, &'static str> {
        Err("cannot be changed: listeners and services name it; make a new one and delete this one")
    }

    fn deleted(&self, config: &Config) -> Result<Vec<Step>, Error> {
        let is_needed = config.services.iter().any(|service| service.tls.ca_certificates.iter().any(|(_, id)| *id == self.id));
        if is_needed { Err(Error::Referenced("services", "ca_certificates")) } else { Ok(Vec::new()) }
    }
}
