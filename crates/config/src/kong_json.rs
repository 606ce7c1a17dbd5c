//! Entities as Kong's Admin API and events show them.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::json;
use uuid::Uuid;

use crate::entities::{CaCertificate, Certificate, Consumer, ConsumerGroup, Route, Service, Sni, Stamps};

impl Serialize for Service {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("protocol", &self.protocol)?;
        map.serialize_entry("host", &self.host)?;
        map.serialize_entry("port", &self.port)?;
        map.serialize_entry("path", &self.path)?;
        map.serialize_entry("http2", &self.http2)?;
        map.serialize_entry("retries", &self.retries)?;
        map.serialize_entry("connect_timeout", &self.connect_timeout)?;
        map.serialize_entry("write_timeout", &self.write_timeout)?;
        map.serialize_entry("read_timeout", &self.read_timeout)?;
        map.serialize_entry("enabled", &self.enabled)?;
        map.serialize_entry("tls_verify", &self.tls.verify)?;
        let authorities: Vec<&Uuid> = self.tls.ca_certificates.iter().map(|(_, id)| id).collect();
        map.serialize_entry("ca_certificates", &(!authorities.is_empty()).then_some(authorities))?;
        map.serialize_entry("client_certificate", &self.tls.client_certificate.as_ref().map(|(_, id)| json!({ "id": id })))?;
        tail(map, &self.tags, self.stamps)
    }
}

impl Serialize for Route {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("service", &self.service.as_ref().map(|(_, id)| json!({ "id": id })))?;
        map.serialize_entry("protocols", &self.protocols)?;
        map.serialize_entry("https_redirect_status_code", &self.https_redirect_status_code)?;
        map.serialize_entry("hosts", &null_if_empty(&self.hosts))?;
        map.serialize_entry("paths", &null_if_empty(&self.paths))?;
        map.serialize_entry("methods", &null_if_empty(&self.methods))?;
        map.serialize_entry("headers", &(!self.headers.is_empty()).then_some(&self.headers))?;
        map.serialize_entry("snis", &null_if_empty(&self.snis))?;
        map.serialize_entry("sources", &null_if_empty(&self.sources))?;
        map.serialize_entry("destinations", &())?;
        map.serialize_entry("regex_priority", &self.regex_priority)?;
        map.serialize_entry("strip_path", &self.strip_path)?;
        map.serialize_entry("path_handling", &self.path_handling)?;
        map.serialize_entry("preserve_host", &self.preserve_host)?;
        map.serialize_entry("request_buffering", &self.request_buffering)?;
        map.serialize_entry("response_buffering", &self.response_buffering)?;
        tail(map, &self.tags, self.stamps)
    }
}

impl Serialize for Consumer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("username", &self.username)?;
        map.serialize_entry("username_lower", &self.username.to_lowercase())?;
        map.serialize_entry("custom_id", &self.custom_id)?;
        tail(map, &self.tags, self.stamps)
    }
}

impl Serialize for ConsumerGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("name", &self.name)?;
        tail(map, &self.tags, self.stamps)
    }
}

impl Serialize for Certificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("cert", &self.cert)?;
        // Nobody is shown the key.
        map.serialize_entry("key", "***")?;
        map.serialize_entry("snis", &self.snis)?;
        map.serialize_entry("not_after", &self.not_after)?;
        tail(map, &self.tags, self.stamps)
    }
}

impl Serialize for Sni {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("certificate", &json!({ "id": self.certificate }))?;
        tail(map, &[], self.stamps)
    }
}

impl Serialize for CaCertificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("cert", &self.cert)?;
        map.serialize_entry("cert_digest", &self.cert_digest)?;
        tail(map, &self.tags, self.stamps)
    }
}

/// What all entities end with.
fn tail<M: SerializeMap>(mut map: M, tags: &[String], stamps: Stamps) -> Result<M::Ok, M::Error> {
    map.serialize_entry("tags", &null_if_empty(tags))?;
    map.serialize_entry("created_at", &stamps.created_at)?;
    map.serialize_entry("updated_at", &stamps.updated_at)?;
    map.end()
}

fn null_if_empty<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}
