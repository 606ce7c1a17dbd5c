//! Certificates, their names, and authorities, as the Admin API reads them. No key is shown.

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde_json::Value;
use sluice_config::{CaCertificate, Certificate, Config, Sni};
use uuid::Uuid;

use crate::entities::{Entity, find, to_json};
use crate::error::Error;
use crate::{Shared, pages};

/// `GET /certificates/{certificates}/snis`.
pub(crate) async fn snis_of_certificate(State(app): Shared, Path(key): Path<String>, uri: Uri) -> Result<Response, Error> {
    let config = app.control.config();
    // Kong finds a certificate by one of its names as well.
    let certificate = match config.snis.iter().find(|sni| sni.name == key) {
        Some(sni) => sni.certificate,
        None => find::<Certificate>(&config, &key)?.id,
    };
    pages::page(&config, config.snis.iter().filter(|sni| sni.certificate == certificate), &uri)
}

impl Entity for Certificate {
    fn all(config: &Config) -> &[Self] {
        &config.certificates
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
}

impl Entity for Sni {
    fn all(config: &Config) -> &[Self] {
        &config.snis
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
}

impl Entity for CaCertificate {
    fn all(config: &Config) -> &[Self] {
        &config.ca_certificates
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
}
