//! `sluice check`, `plugins`, `events` and `handlers`: what is right, and what there is.
#![allow(clippy::print_stdout)]

use std::path::Path;

use serde_json::Value;
use sluice_config::{ProcessEnvironment, Source};

use crate::prepared::find_problems;
use crate::run::{Failure, read_file};

/// Checks a file and tells every problem in it.
pub fn check(file: &Path) -> Result<(), Failure> {
    let source = Source::new(file, read_file(file)?);
    let config = find_problems(source, &ProcessEnvironment).map_err(Failure::BadConfiguration)?;
    println!(
        "{}: good: {} services, {} routes, {} consumers, {} plugins, {} event hooks",
        file.display(),
        config.services.len(),
        config.routes.len(),
        config.consumers.len(),
        config.plugins.len(),
        config.event_hooks.len()
    );
    Ok(())
}

/// Lists the plugins.
pub fn plugins() -> Result<(), Failure> {
    for kind in sluice_plugins::PLUGINS {
        println!("{}  (priority {})\n    {}", kind.name, kind.priority, kind.summary);
        options(&(kind.schema)());
    }
    Ok(())
}

/// Lists the events.
pub fn events() -> Result<(), Failure> {
    for kind in sluice_events::kinds() {
        println!("source = \"{}\"  event = \"{}\"\n    {}", kind.source, kind.name, kind.summary);
        println!("    fields: {}", kind.fields.join(", "));
        println!("    unique: {}\n", kind.unique.join(", "));
    }
    Ok(())
}

/// Lists the handlers.
pub fn handlers() -> Result<(), Failure> {
    for kind in sluice_hooks::HANDLERS {
        println!("{}\n    {}", kind.name, kind.summary);
        options(&(kind.schema)());
    }
    Ok(())
}

/// Prints the options that a JSON Schema tells of, a line each.
fn options(schema: &Value) {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    for (name, option) in schema["properties"].as_object().into_iter().flatten() {
        let about = option["description"].as_str().unwrap_or_default().replace('\n', " ");
        let default = match &option["default"] {
            Value::Null if required(name) => "required".to_owned(),
            Value::Null => "optional".to_owned(),
            default => format!("default {default}"),
        };
        println!("    {name:<24} {about} ({default})");
    }
    println!();
}
