//! `/deliveries` and `/event-hooks/{id}/deliveries`: what became of every delivery, and to try it again. Sluice's own; as in
//! all of Kong's lists, keys of the query that mean nothing are ignored.

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde_json::{Map, Value, json};
use sluice_config::{EventHook, one_of};
use sluice_hooks::WantedRecords;
use uuid::Uuid;

use crate::entities::find;
use crate::error::Error;
use crate::openapi::{Body, Operation, PAGE, milliseconds};
use crate::{App, Shared, body, pages, reply};

/// A list of them.
pub(crate) fn pages(summary: &'static str) -> Operation {
    Operation::shows(summary, "deliveries_page").asks(PAGE).asks(&["state", "since", "until"]).refuses(&[503])
}

/// To try many again.
pub(crate) fn replays() -> Operation {
    let state = json!({ "type": "string", "enum": WantedRecords::states().collect::<Vec<_>>() });
    let time = milliseconds();
    let body = json!({
        "type": "object",
        "properties": { "state": state, "since": time, "until": time },
        "additionalProperties": false,
    });
    let replays = Operation::shows("Tries dead letters again, or others", "replayed").status(202);
    replays.takes(Body::Json(body)).refuses(&[409, 503])
}

/// `GET /deliveries`: those of all hooks, the newest first.
pub(crate) async fn all(State(app): Shared, uri: Uri) -> Result<Response, Error> {
    page(&app, None, &uri).await
}

/// `GET /event-hooks/{event_hooks}/deliveries`: those of one hook.
pub(crate) async fn of_hook(State(app): Shared, Path(key): Path<String>, uri: Uri) -> Result<Response, Error> {
    let hook = find::<EventHook>(&app.control.config(), &key)?.id;
    page(&app, Some(hook), &uri).await
}

/// `GET /deliveries/{deliveries}`: one, with the data that it tells of.
pub(crate) async fn one(State(app): Shared, Path(id): Path<String>) -> Result<Response, Error> {
    Ok(reply::json(StatusCode::OK, &json!(app.control.engine().record(&id).await?)))
}

/// `POST /deliveries/{deliveries}/replay`: it is tried again, with the same id.
pub(crate) async fn replay(State(app): Shared, Path(id): Path<String>) -> Result<Response, Error> {
    let record = app.control.engine().replay(&id).await?;
    tracing::info!(delivery = id, "a delivery is replayed by the Admin API");
    Ok(reply::json(StatusCode::ACCEPTED, &json!(record)))
}

/// `POST /event-hooks/{event_hooks}/deliveries/replay`: all of a state and a time are; dead letters, unless the body says.
pub(crate) async fn replay_range(State(app): Shared, Path(key): Path<String>, request: Request) -> Result<Response, Error> {
    let hook = find::<EventHook>(&app.control.config(), &key)?.id;
    let mut range = Range::default();
    for (key, value) in body::read(request).await? {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !range.say(&key, &value)? {
            return Err(unknown(&key));
        }
    }
    let state = Some(range.state.unwrap_or("dead"));
    let wanted = WantedRecords { state, limit: usize::MAX, ..range.wanted(Some(hook)) };
    let counts = app.control.engine().replay_all(hook, wanted).await?;
    tracing::info!(hook = key, replayed = counts.replayed, "deliveries are replayed by the Admin API");
    Ok(reply::json(StatusCode::ACCEPTED, &json!(counts)))
}

/// Which ones are meant.
#[derive(Default)]
struct Range {
    state: Option<&'static str>,
    since: Option<u64>,
    until: Option<u64>,
}

impl Range {
    /// Takes what is said at this key; whether it is one of a range.
    fn say(&mut self, key: &str, value: &str) -> Result<bool, Error> {
        match key {
            "state" => self.state = Some(state(value)?),
            "since" => self.since = Some(time(key, value)?),
            "until" => self.until = Some(time(key, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn wanted(&self, hook: Option<Uuid>) -> WantedRecords {
        WantedRecords { hook, state: self.state, since: self.since, until: self.until, ..WantedRecords::default() }
    }
}

fn unknown(key: &str) -> Error {
    Error::Bad(format!("there is no \"{key}\" here; a range is said by `state`, `since` and `until`"))
}

fn state(name: &str) -> Result<&'static str, Error> {
    WantedRecords::states()
        .find(|state| *state == name)
        .ok_or_else(|| Error::Bad(format!("`state`: there is no \"{name}\"; {}", one_of(name, WantedRecords::states()))))
}

/// A time as events have it, in Unix milliseconds.
fn time(key: &str, text: &str) -> Result<u64, Error> {
    text.parse().map_err(|_| Error::Bad(format!("`{key}`: `{text}` is no time; write Unix milliseconds, such as 1700000000000")))
}

async fn page(app: &App, hook: Option<Uuid>, uri: &Uri) -> Result<Response, Error> {
    let (size, before) = pages::by_place(uri)?;
    let (mut range, mut same) = (Range::default(), Vec::new());
    for (key, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned() {
        if range.say(&key, &value)? {
            same.push((key, value));
        }
    }
    // One more than is shown tells whether there are more.
    let wanted = WantedRecords { before, limit: size + 1, ..range.wanted(hook) };
    let mut records = app.control.engine().records(wanted).await?;
    let more = records.len() > size;
    records.truncate(size);
    let mut body = Map::from_iter([("data".to_owned(), json!(records)), ("next".to_owned(), Value::Null)]);
    if let Some(last) = records.last().filter(|_| more) {
        let offset = pages::offset_of(usize::try_from(last.place()).unwrap_or(usize::MAX));
        same.extend([("offset".to_owned(), offset.clone()), ("size".to_owned(), size.to_string())]);
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(same).finish();
        body.insert("next".into(), format!("{}?{query}", uri.path()).into());
        body.insert("offset".into(), offset.into());
    }
    Ok(reply::json(StatusCode::OK, &Value::Object(body)))
}
