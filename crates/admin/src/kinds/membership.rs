//! Which consumers are in which groups: `/consumers/{consumers}/consumer_groups` and the other way round, in Kong's shape.

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use sluice_config::{Config, Consumer, ConsumerGroup, KeyPath};

use super::consumer_group::set_groups;
use crate::change::{Expected, refused};
use crate::control::{Changed, Planned};
use crate::crud::lists;
use crate::endpoint::{Endpoint, get};
use crate::entities::{Entity, find};
use crate::error::Error;
use crate::openapi::{Body, Operation};
use crate::sent::Sent;
use crate::violations::{MISSING, Violations};
use crate::{App, Shared, body, pages, reply};

/// The groups of a consumer.
pub(crate) fn memberships_endpoint() -> Endpoint {
    get(memberships, lists(ConsumerGroup::TABLE))
        .post(add_group, joins("consumer_in_groups", "group"))
        .delete(leave_all, Operation::does("Takes it out of all groups").changes())
}

/// The consumers of a group.
pub(crate) fn members_endpoint() -> Endpoint {
    get(members, lists(Consumer::TABLE)).post(add_consumer, joins("group_of_consumers", "consumer"))
}

fn joins(answer: &'static str, field: &str) -> Operation {
    let body = json!({ "type": "object", "properties": { field: { "type": "string" } }, "required": [field] });
    Operation::shows("Puts it in the group", answer).status(201).takes(Body::Json(body)).changes()
}

/// `GET /consumers/{consumers}/consumer_groups`.
async fn memberships(State(app): Shared, Path(key): Path<String>, uri: Uri) -> Result<Response, Error> {
    let config = app.control.config();
    let consumer = find::<Consumer>(&config, &key)?;
    pages::page(&config, config.consumer_groups.iter().filter(|group| consumer.groups.contains(&group.name)), &uri)
}

/// `GET /consumer_groups/{consumer_groups}/consumers`.
async fn members(State(app): Shared, Path(key): Path<String>, uri: Uri) -> Result<Response, Error> {
    let config = app.control.config();
    let group = find::<ConsumerGroup>(&config, &key)?;
    pages::page(&config, config.consumers.iter().filter(|consumer| consumer.groups.contains(&group.name)), &uri)
}

/// `POST /consumers/{consumers}/consumer_groups`: `{"group": "gold"}`.
async fn add_group(State(app): Shared, Path(consumer): Path<String>, request: Request) -> Result<Response, Error> {
    let (group, expected) = named_in(request, "group").await?;
    let (consumer, group) = join(&app, (consumer, group), expected).await?;
    Ok(reply::json(StatusCode::CREATED, &json!({ "consumer": consumer, "consumer_groups": [group] })))
}

/// `POST /consumer_groups/{consumer_groups}/consumers`: `{"consumer": "Joe"}`.
async fn add_consumer(State(app): Shared, Path(group): Path<String>, request: Request) -> Result<Response, Error> {
    let (consumer, expected) = named_in(request, "consumer").await?;
    let (consumer, group) = join(&app, (consumer, group), expected).await?;
    Ok(reply::json(StatusCode::CREATED, &json!({ "consumer_group": group, "consumers": [consumer] })))
}

/// `DELETE /consumers/{consumers}/consumer_groups/{consumer_groups}`.
pub(crate) async fn leave_group(
    State(app): Shared,
    Path((consumer, group)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    leave(&app, consumer, Some(group), Expected::of(&headers)?).await
}

/// `DELETE /consumer_groups/{consumer_groups}/consumers/{consumers}`.
pub(crate) async fn remove_consumer(
    State(app): Shared,
    Path((group, consumer)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    leave(&app, consumer, Some(group), Expected::of(&headers)?).await
}

/// `DELETE /consumers/{consumers}/consumer_groups`.
async fn leave_all(State(app): Shared, Path(consumer): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    leave(&app, consumer, None, Expected::of(&headers)?).await
}

/// The name or id that a body gives under this field.
async fn named_in(request: Request, field: &str) -> Result<(String, Expected), Error> {
    let expected = Expected::of(request.headers())?;
    let (fields, is_form) = body::read_as_sent(request).await?;
    let mut sent = Sent::new(fields, is_form, &Value::Null);
    let key = sent.text(field);
    sent.violations.into_result()?;
    let missing = || Error::Schema(Violations::one(KeyPath::of([field]), MISSING));
    Ok((key.ok_or_else(missing)?, expected))
}

/// Makes a consumer a member of a group; both as they are shown then.
async fn join(app: &App, (consumer, group): (String, String), expected: Expected) -> Result<(Value, Value), Error> {
    let keys = (consumer.clone(), group.clone());
    let plan = move |config: &Config| {
        let (consumer, group) = (find::<Consumer>(config, &keys.0)?, find::<ConsumerGroup>(config, &keys.1)?);
        if consumer.groups.contains(&group.name) {
            return Ok(Planned::default());
        }
        let groups: Vec<&str> = consumer.groups.iter().chain([&group.name]).map(String::as_str).collect();
        Ok(planned(&consumer, &groups))
    };
    let changed = change(app, plan, expected).await?;
    let config = &changed.config;
    Ok((find::<Consumer>(config, &consumer)?.show(config), find::<ConsumerGroup>(config, &group)?.show(config)))
}

/// Takes a consumer out of a group, or out of all.
async fn leave(app: &App, consumer: String, group: Option<String>, expected: Expected) -> Result<Response, Error> {
    let plan = move |config: &Config| {
        let consumer = find::<Consumer>(config, &consumer)?;
        let group = group.as_ref().map(|group| find::<ConsumerGroup>(config, group)).transpose()?;
        let Some(group) = group else { return Ok(planned(&consumer, &[])) };
        if !consumer.groups.contains(&group.name) {
            return Err(Error::NotFound);
        }
        let groups: Vec<&str> = consumer.groups.iter().filter(|name| **name != group.name).map(String::as_str).collect();
        Ok(planned(&consumer, &groups))
    };
    change(app, plan, expected).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

fn planned(consumer: &Consumer, groups: &[&str]) -> Planned {
    let at = KeyPath::of(["consumers", &consumer.username]);
    Planned { steps: vec![set_groups(consumer, groups)], at, id: consumer.id }
}

async fn change(
    app: &App,
    plan: impl Fn(&Config) -> Result<Planned, Error> + Send + Sync + 'static,
    expected: Expected,
) -> Result<Changed, Error> {
    app.control.change(Box::new(plan), expected.0).await.map_err(|refusal| refused(refusal, Consumer::TABLE))
}
