//! `/event-hooks`: hooks are made, changed and deleted here, and so in gateway.toml.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;
use sluice_config::{Config, EventHook, KeyPath, entity_id};

use crate::change::{Expected, refused};
use crate::control::{Changed, Plan, Planned, Refusal, Step};
use crate::crud::{creates, keeps, lists, show_all, show_one};
use crate::endpoint::{Endpoint, get};
use crate::entities::{Entity, as_id, find};
use crate::error::Error;
use crate::hook_body::{HookBody, Use};
use crate::violations::{Violations, explain_with};
use crate::{App, Shared, body, filter, hook_actions, hook_name, reply, required, unchanged};

const SECTION: &str = EventHook::TABLE;

/// All hooks.
pub(crate) fn list() -> Endpoint {
    get(show_all::<EventHook>, lists(SECTION)).post(create, creates(SECTION))
}

/// One of them.
pub(crate) fn one() -> Endpoint {
    let [show, put_one, patch_one, delete_one] = keeps(SECTION);
    get(show_one::<EventHook>, show).put(put, put_one).patch(patch, patch_one).delete(delete, delete_one)
}

/// `POST`: a new hook.
async fn create(State(app): Shared, request: Request) -> Result<Response, Error> {
    let expected = Expected::of(request.headers())?;
    let hook = HookBody::take(body::read(request).await?, Use::Whole)?;
    let missing = required::missing(&hook.table);
    let plan = Box::new(move |config: &Config| new(hook.clone(), config));
    let changed = change(&app, plan, expected, &missing).await?;
    let answer = shown(&changed, StatusCode::CREATED)?;
    ping(&app, &changed)?;
    Ok(answer)
}

/// `PUT`: the hook is as the body says, whether there was one or not.
async fn put(State(app): Shared, Path(key): Path<String>, request: Request) -> Result<Response, Error> {
    let expected = Expected::of(request.headers())?;
    let hook = HookBody::take(body::read(request).await?, Use::Whole)?;
    let missing = required::missing(&hook.table);
    let before = app.control.config();
    let plan = Box::new(move |config: &Config| {
        let mut hook = hook.clone();
        if let Ok(old) = find::<EventHook>(config, &key) {
            hook.same(Some(&old.name), Some(old.id))?;
            let at = place(&old.name);
            let keep = vec!["id".to_owned()];
            return Ok(Planned { steps: vec![Step::Put { at: at.clone(), table: hook.table, keep }], at, id: old.id });
        }
        match as_id(&key) {
            Some(id) => {
                hook.same(None, Some(id))?;
                hook.id = Some(id);
            }
            None => {
                hook_name::check(&key).map_err(|why| Error::Schema(Violations::one(KeyPath::of(["name"]), why)))?;
                hook.same(Some(&key), None)?;
                hook.name = Some(key.clone());
            }
        }
        new(hook, config)
    });
    let changed = change(&app, plan, expected, &missing).await?;
    let answer = shown(&changed, StatusCode::OK)?;
    if before.event_hooks.iter().all(|hook| hook.id != changed.id) {
        ping(&app, &changed)?;
    }
    Ok(answer)
}

/// `PATCH`: what the body says changes; null takes a field out. What is so already is not written.
async fn patch(State(app): Shared, Path(key): Path<String>, request: Request) -> Result<Response, Error> {
    let expected = Expected::of(request.headers())?;
    let changes = body::read(request).await?;
    let plan = Box::new(move |config: &Config| {
        let mut changes = changes.clone();
        let old = find::<EventHook>(config, &key)?;
        unchanged::drop_unchanged(&mut changes, &old, config);
        filter::as_written(&mut changes, &old);
        let hook = HookBody::take(changes, Use::Changes)?;
        hook.same(Some(&old.name), Some(old.id))?;
        let at = place(&old.name);
        let steps = match hook.table.is_empty() {
            true => Vec::new(),
            false => vec![Step::Merge { at: at.clone(), changes: hook.table }],
        };
        Ok(Planned { steps, at, id: old.id })
    });
    shown(&change(&app, plan, expected, &[]).await?, StatusCode::OK)
}

/// `DELETE`: the hook is gone, whether there was one or not.
async fn delete(State(app): Shared, Path(key): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let expected = Expected::of(&headers)?;
    let plan = Box::new(move |config: &Config| match find::<EventHook>(config, &key) {
        Ok(hook) => Ok(Planned { steps: vec![Step::Remove { at: place(&hook.name) }], ..Planned::default() }),
        Err(_) => Ok(Planned::default()),
    });
    change(&app, plan, expected, &[]).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

fn place(name: &str) -> KeyPath {
    KeyPath::of([SECTION, name])
}

/// A new hook, under its name or one that is made up.
fn new(hook: HookBody, config: &Config) -> Result<Planned, Error> {
    let name = hook.name_or_new(&config.event_hooks);
    let written = hook.id;
    let id = written.unwrap_or_else(|| entity_id(SECTION, &name));
    // Of a given id it is said first that it is taken, whatever else is.
    let id_is_taken = config.event_hooks.iter().any(|hook| hook.id == id);
    if written.is_some() && id_is_taken {
        return Err(Error::IdTaken(id));
    }
    if config.event_hooks.iter().any(|hook| hook.name == name) {
        return Err(Error::Unique(vec![("name", name.into())]));
    }
    if id_is_taken {
        return Err(Error::IdTaken(id));
    }
    let at = place(&name);
    Ok(Planned { steps: vec![Step::Put { at: at.clone(), table: hook.table_with(written), keep: Vec::new() }], at, id })
}

/// What would be wrong with a new hook. Nothing is made.
pub(crate) async fn rehearse(app: Arc<App>, request: Request) -> Result<(), Error> {
    let hook = HookBody::take(body::read(request).await?, Use::Whole)?;
    let missing = required::missing(&hook.table);
    let plan = Box::new(move |config: &Config| {
        // That another hook has its name or its id is no matter of this.
        let is_taken = |hook: &HookBody| {
            let other = |one: &&EventHook| hook.name.as_ref() == Some(&one.name) || hook.id == Some(one.id);
            config.event_hooks.iter().find(other).is_some()
        };
        let free = if is_taken(&hook) { HookBody { name: None, id: None, ..hook.clone() } } else { hook.clone() };
        new(free, config)
    });
    app.control.rehearse(plan).await.map_err(|refusal| why(refusal, &missing))
}

/// Makes the change. `missing` are the required fields that are known to be missing: they are told with what else is wrong.
async fn change(app: &App, plan: Plan, expected: Expected, missing: &[KeyPath]) -> Result<Changed, Error> {
    app.control.change(plan, expected.0).await.map_err(|refusal| why(refusal, missing))
}

fn why(refusal: Refusal, missing: &[KeyPath]) -> Error {
    match refusal {
        Refusal::Invalid(diagnostics, at) => explain_with(&at, &diagnostics, missing),
        other => refused(other, SECTION),
    }
}

fn hook_of(changed: &Changed) -> Result<Value, Error> {
    let hook = changed.config.event_hooks.iter().find(|hook| hook.id == changed.id).ok_or(Error::NotFound)?;
    Ok(hook.show(&changed.config))
}

/// The hook as it is after the change.
fn shown(changed: &Changed, status: StatusCode) -> Result<Response, Error> {
    let mut response = reply::json(status, &hook_of(changed)?);
    reply::tag(&mut response, changed.version);
    Ok(response)
}

/// The receiver of a new hook gets a ping.
fn ping(app: &Arc<App>, changed: &Changed) -> Result<(), Error> {
    hook_actions::ping_new(app, changed.id, hook_of(changed)?);
    Ok(())
}
