//! `/event-hooks`: hooks are made, changed and deleted here, and so in gateway.toml.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use sluice_config::{Config, EventHook, KeyPath, entity_id};
use uuid::Uuid;

use crate::control::{Edit, Refusal};
use crate::entities::{Entity, as_id, find};
use crate::error::Error;
use crate::hook_body::{HookBody, Use};
use crate::violations::{Violations, explain};
use crate::{App, Shared, body, filter, hook_actions, hook_name, reply, required, unchanged};

const SECTION: &str = "event_hooks";
const READ_ONLY: &str = "`write_back` is off in gateway.toml, so hooks are changed there";

/// `POST`: a new hook.
pub(crate) async fn create(State(app): Shared, request: Request) -> Result<Response, Error> {
    let hook = HookBody::take(body::read(request).await?, Use::Whole)?;
    let id = hook.id;
    let (hook, shown) = add(&app, hook, id).await?;
    hook_actions::ping_new(&app, hook, shown.clone());
    Ok(reply::json(StatusCode::CREATED, &shown))
}

/// `PUT`: the hook is as the body says, whether there was one or not.
pub(crate) async fn put(State(app): Shared, Path(key): Path<String>, request: Request) -> Result<Response, Error> {
    let mut hook = HookBody::take(body::read(request).await?, Use::Whole)?;
    let config = app.control.config();
    if let Ok(old) = find::<EventHook>(&config, &key) {
        hook.same(Some(&old.name), Some(old.id))?;
        let edit = Edit::Put { section: SECTION, name: old.name.clone(), table: hook.table_with(written_id(old)) };
        return Ok(reply::json(StatusCode::OK, &change(&app, edit).await?.1));
    }
    let id = as_id(&key);
    if id.is_none() {
        hook_name::check(&key).map_err(|why| Error::Schema(Violations::one(KeyPath::of(["name"]), why)))?;
        hook.same(Some(&key), None)?;
        hook.name = Some(key);
    }
    hook.same(None, id)?;
    let id = id.or(hook.id);
    let (hook, shown) = add(&app, hook, id).await?;
    hook_actions::ping_new(&app, hook, shown.clone());
    Ok(reply::json(StatusCode::OK, &shown))
}

/// `PATCH`: what the body says changes; null takes a field out. What is so already is not written.
pub(crate) async fn patch(State(app): Shared, Path(key): Path<String>, request: Request) -> Result<Response, Error> {
    // The body first: a slow one is compared with what is in force at its end.
    let mut changes = body::read(request).await?;
    let config = app.control.config();
    let old = find::<EventHook>(&config, &key)?;
    unchanged::drop_unchanged(&mut changes, old, &config);
    filter::as_written(&mut changes, old);
    let hook = HookBody::take(changes, Use::Changes)?;
    hook.same(Some(&old.name), Some(old.id))?;
    if hook.table.is_empty() {
        return Ok(reply::json(StatusCode::OK, &old.show(&config)));
    }
    let edit = Edit::Patch { section: SECTION, name: old.name.clone(), changes: hook.table };
    Ok(reply::json(StatusCode::OK, &change(&app, edit).await?.1))
}

/// `DELETE`: the hook is gone, whether there was one or not.
pub(crate) async fn delete(State(app): Shared, Path(key): Path<String>) -> Result<Response, Error> {
    let config = app.control.config();
    if let Ok(hook) = find::<EventHook>(&config, &key) {
        submit(&app, Edit::Remove { section: SECTION, name: hook.name.clone() }).await?;
    }
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// Adds a hook under its name, or under a new one.
async fn add(app: &App, hook: HookBody, id: Option<Uuid>) -> Result<(Uuid, Value), Error> {
    let config = app.control.config();
    if let Some(id) = id.filter(|id| has_id(&config, *id)) {
        return Err(Error::IdTaken(id));
    }
    let name = hook.name_or_new(&config.event_hooks);
    change(app, Edit::Add { section: SECTION, name, table: hook.table_with(id) }).await
}

fn has_id(config: &Config, id: Uuid) -> bool {
    config.event_hooks.iter().any(|hook| hook.id == id)
}

/// The id of a hook if the file must say it, because it does not follow from the name.
fn written_id(hook: &EventHook) -> Option<Uuid> {
    (hook.id != entity_id(SECTION, &hook.name)).then_some(hook.id)
}

/// Makes the change; the hook as it is then.
async fn change(app: &App, edit: Edit) -> Result<(Uuid, Value), Error> {
    let name = name_of(&edit).to_owned();
    submit(app, edit).await?;
    let config = app.control.config();
    let hook = config.event_hooks.iter().find(|hook| hook.name == name).ok_or(Error::NotFound)?;
    Ok((hook.id, hook.show(&config)))
}

async fn submit(app: &App, edit: Edit) -> Result<(), Error> {
    let name = name_of(&edit).to_owned();
    let (doing, done) = words(&edit);
    let new_id = new_id(&edit);
    let missing = match &edit {
        Edit::Add { table, .. } | Edit::Put { table, .. } => required::missing(table),
        Edit::Patch { .. } | Edit::Remove { .. } => Vec::new(),
    };
    let refusal = match app.control.change(edit).await {
        Ok(version) => {
            tracing::info!(hook = name, version, "event hook {done} by the Admin API");
            return Ok(());
        }
        Err(refusal) => refusal,
    };
    if let Some(id) = new_id.and_then(|new| taken_id(app, new, &refusal, &name)) {
        return Err(Error::IdTaken(id));
    }
    Err(match refusal {
        Refusal::Invalid(diagnostics) => explain(&KeyPath::of([SECTION, &name]), &diagnostics, &missing),
        Refusal::Taken => Error::NameTaken(name),
        Refusal::Absent => Error::NotFound,
        Refusal::ReadOnly => Error::Unsupported(format!("cannot {doing} '{SECTION}' entities: {READ_ONLY}")),
        Refusal::File(reason) => Error::File(reason),
    })
}

/// The id that a new hook was given, and the one that it has then.
fn new_id(edit: &Edit) -> Option<(Option<Uuid>, Uuid)> {
    let Edit::Add { name, table, .. } = edit else { return None };
    let given = table.get("id").and_then(Value::as_str).and_then(as_id);
    Some((given, given.unwrap_or_else(|| entity_id(SECTION, name))))
}

/// The id, if it is what a new hook was refused for. Where another request took it meanwhile, that is the answer whatever
/// else is wrong, just as if the other had come long before.
fn taken_id(app: &App, (given, id): (Option<Uuid>, Uuid), refusal: &Refusal, name: &str) -> Option<Uuid> {
    let told = match refusal {
        // The id was read as one already: what is told at it is that it is taken.
        Refusal::Invalid(all) => all.0.iter().any(|diagnostic| diagnostic.path == KeyPath::of([SECTION, name, "id"])),
        Refusal::Taken => false,
        Refusal::Absent | Refusal::ReadOnly | Refusal::File(_) => return None,
    };
    (told || given.is_some_and(|id| has_id(&app.control.config(), id))).then_some(id)
}

fn name_of(edit: &Edit) -> &str {
    match edit {
        Edit::Add { name, .. } | Edit::Put { name, .. } | Edit::Patch { name, .. } | Edit::Remove { name, .. } => name,
    }
}

fn words(edit: &Edit) -> (&'static str, &'static str) {
    match edit {
        Edit::Add { .. } => ("create", "created"),
        Edit::Put { .. } | Edit::Patch { .. } => ("update", "updated"),
        Edit::Remove { .. } => ("delete", "deleted"),
    }
}
