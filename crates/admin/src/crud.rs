//! What is done with entities of any kind: looked at, made, changed, deleted.

use std::sync::Arc;

use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use sluice_config::Config;

use crate::change::{Expected, make, why};
use crate::control::{Changed, Plan, Planned};
use crate::editable::{Editable, Extent};
use crate::endpoint::{Endpoint, get};
use crate::entities::{Entity, find_where};
use crate::error::Error;
use crate::openapi::{Body, Operation, PAGE_OF_ENTITIES, To};
use crate::parent::PathKeys;
use crate::sent::Sent;
use crate::{App, Shared, body, pages, reply};

/// A list, and what may be added to it.
pub(crate) fn list<E: Editable>() -> Endpoint {
    get(show_all::<E>, lists(E::TABLE)).post(create::<E>, creates(E::TABLE))
}

/// One of a list.
pub(crate) fn one<E: Editable>() -> Endpoint {
    let [show, put_one, patch_one, delete_one] = keeps(E::TABLE);
    get(show_one::<E>, show).put(put::<E>, put_one).patch(patch::<E>, patch_one).delete(delete::<E>, delete_one)
}

/// A page of a list of entities.
pub(crate) fn lists(table: &'static str) -> Operation {
    Operation::lists("All of them, in pages", table).asks(PAGE_OF_ENTITIES)
}

/// A new entity of a table.
pub(crate) fn creates(table: &'static str) -> Operation {
    Operation::shows("Makes one", table).status(201).takes(Body::Sent(To::Create, table)).changes()
}

/// What is done with one entity of a table: it is shown, put, changed, deleted.
pub(crate) fn keeps(table: &'static str) -> [Operation; 4] {
    let takes = |summary, what| Operation::shows(summary, table).takes(Body::Sent(what, table)).changes();
    [
        Operation::shows("One of them", table),
        takes("Makes it so, whether there is one or not", To::Put),
        takes("Changes what is said of it", To::Change),
        Operation::does("Deletes it").changes(),
    ]
}

/// `GET` of a list.
pub(crate) async fn show_all<E: Entity>(State(app): Shared, params: RawPathParams, uri: Uri) -> Result<Response, Error> {
    let config = app.control.config();
    let all = E::all(&config);
    match PathKeys::of(&params, E::TABLE).parent(&config)? {
        Some(parent) => pages::page(&config, all.iter().filter(|entity| entity.belongs_to(&parent, &config)), &uri),
        None => pages::page(&config, all.iter(), &uri),
    }
}

/// `GET` of one.
pub(crate) async fn show_one<E: Entity>(State(app): Shared, params: RawPathParams) -> Result<Response, Error> {
    let config = app.control.config();
    let entity = named::<E>(&config, &PathKeys::of(&params, E::TABLE))?;
    Ok(reply::json(StatusCode::OK, &entity.show(&config)))
}

/// The one that a path names.
fn named<E: Entity>(config: &Config, keys: &PathKeys) -> Result<E, Error> {
    let parent = keys.parent(config)?;
    find_where(config, &keys.key, |entity: &E| parent.as_ref().is_none_or(|parent| entity.belongs_to(parent, config)))
}

/// `POST`: a new one.
pub(crate) async fn create<E: Editable>(State(app): Shared, params: RawPathParams, request: Request) -> Result<Response, Error> {
    let keys = PathKeys::of(&params, E::TABLE);
    let (body, expected) = sent::<E>(request).await?;
    let plan = move |config: &Config| E::create(keys.with_parent(&body, config)?, config);
    answer::<E>(&make::<E>(&app, Box::new(plan), expected).await?, StatusCode::CREATED)
}

/// What would be wrong with a new one. Nothing is made.
pub(crate) async fn rehearse<E: Editable>(app: Arc<App>, request: Request) -> Result<(), Error> {
    let (body, _) = sent::<E>(request).await?;
    let plan = move |config: &Config| E::rehearse(body.clone(), config);
    app.control.rehearse(Box::new(plan)).await.map_err(why::<E>)
}

/// `PUT`: the entity is as the body says, whether there was one or not.
async fn put<E: Editable>(State(app): Shared, params: RawPathParams, request: Request) -> Result<Response, Error> {
    let keys = PathKeys::of(&params, E::TABLE);
    let (body, expected) = sent::<E>(request).await?;
    let plan = move |config: &Config| {
        let mut sent = keys.with_parent(&body, config)?;
        match named::<E>(config, &keys) {
            Ok(entity) => entity.change(sent, Extent::Whole, config),
            Err(_) => {
                // What the path says counts: it is the id or the name of the one to come.
                let field = if crate::entities::as_id(&keys.key).is_some() { "id" } else { E::KEY };
                sent.fields.insert(field.to_owned(), keys.key.clone().into());
                E::create(sent, config)
            }
        }
    };
    answer::<E>(&make::<E>(&app, Box::new(plan), expected).await?, StatusCode::OK)
}

/// `PATCH`: what the body says changes; null takes a field out. What is so already is not written.
async fn patch<E: Editable>(State(app): Shared, params: RawPathParams, request: Request) -> Result<Response, Error> {
    let keys = PathKeys::of(&params, E::TABLE);
    let (body, expected) = sent::<E>(request).await?;
    let plan = move |config: &Config| {
        let entity = named::<E>(config, &keys)?;
        entity.change(body.clone(), Extent::Fields, config)
    };
    answer::<E>(&make::<E>(&app, Box::new(plan), expected).await?, StatusCode::OK)
}

/// `DELETE`: there is none any more. Of a list at the top it does not matter whether there was one.
async fn delete<E: Editable>(State(app): Shared, params: RawPathParams, headers: HeaderMap) -> Result<Response, Error> {
    let keys = PathKeys::of(&params, E::TABLE);
    let expected = Expected::of(&headers)?;
    let plan: Plan = Box::new(move |config: &Config| match named::<E>(config, &keys) {
        Ok(entity) => Ok(Planned { steps: entity.delete(config)?, ..Planned::default() }),
        Err(error) if keys.has_parent() => Err(error),
        Err(_) => Ok(Planned::default()),
    });
    make::<E>(&app, plan, expected).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// What a body says of an entity.
async fn sent<E: Editable>(request: Request) -> Result<(Sent, Expected), Error> {
    let expected = Expected::of(request.headers())?;
    let (fields, is_form) = body::read_as_sent(request).await?;
    Ok((Sent::new(fields, is_form, E::schema()), expected))
}

fn answer<E: Editable>(changed: &Changed, status: StatusCode) -> Result<Response, Error> {
    let all = E::all(&changed.config);
    let entity = all.iter().find(|entity| entity.id() == changed.id).ok_or(Error::NotFound)?;
    let mut response = reply::json(status, &entity.show_made(&changed.config));
    reply::tag(&mut response, changed.version);
    Ok(response)
}
