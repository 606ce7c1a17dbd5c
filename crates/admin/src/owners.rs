//! What entities belong to, from their side: `/routes/{routes}/service`, `/key-auths/{…}/consumer`; and consumers by their own id.

use axum::extract::{Path, RawPathParams, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use sluice_config::{Certificate, Consumer, Route, Service, Sni};

use crate::crud::{create, creates, lists, show_all};
use crate::endpoint::{Endpoint, get};
use crate::entities::{Entity, find};
use crate::error::Error;
use crate::kinds::Credential;
use crate::{Shared, pages, reply};

/// `GET /routes/{routes}/service`.
pub(crate) async fn service_of_route(State(app): Shared, Path(key): Path<String>) -> Result<Response, Error> {
    let config = app.control.config();
    let (_, id) = find::<Route>(&config, &key)?.service.ok_or(Error::NotFound)?;
    Ok(reply::json(StatusCode::OK, &find::<Service>(&config, &id.to_string())?.show(&config)))
}

/// `GET /snis/{snis}/certificate`.
pub(crate) async fn certificate_of_sni(State(app): Shared, Path(key): Path<String>) -> Result<Response, Error> {
    let config = app.control.config();
    let id = find::<Sni>(&config, &key)?.certificate.to_string();
    Ok(reply::json(StatusCode::OK, &find::<Certificate>(&config, &id)?.show(&config)))
}

/// `GET` of the consumer of a credential.
pub(crate) async fn owner_of_credential<const TABLE: usize>(
    State(app): Shared,
    Path(key): Path<String>,
) -> Result<Response, Error> {
    let config = app.control.config();
    let credential = find::<Credential<TABLE>>(&config, &key)?;
    Ok(reply::json(StatusCode::OK, &credential.consumer(&config).show(&config)))
}

/// All consumers.
pub(crate) fn consumers_endpoint() -> Endpoint {
    get(consumers, lists(Consumer::TABLE).asks(&["custom_id"])).post(create::<Consumer>, creates(Consumer::TABLE))
}

/// `GET /consumers`, and `GET /consumers?custom_id=…`.
async fn consumers(state: Shared, params: RawPathParams, uri: Uri) -> Result<Response, Error> {
    let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let Some((_, custom_id)) = query.find(|(key, _)| key == "custom_id") else {
        return show_all::<Consumer>(state, params, uri).await;
    };
    let config = state.0.control.config();
    pages::page(&config, config.consumers.iter().filter(|consumer| consumer.custom_id.as_deref() == Some(&*custom_id)), &uri)
}
