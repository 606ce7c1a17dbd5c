//! `sluice check`, `plugins`, `events` and `handlers`: what is right, and what there is.

use std::io::Write;
use std::path::Path;

use serde_json::Value;
use sluice_config::ProcessEnvironment;

use crate::config_file;
use crate::prepared::find_problems;
use crate::run::Failure;

/// Checks a file and tells every problem in it.
pub fn check(file: &Path) -> Result<(), Failure> {
    // Whatever is wrong with the file, this command's answer to it is the same.
    let config = find_problems(config_file::read_all(file), &ProcessEnvironment).map_err(Failure::BadConfiguration)?;
    print(format!(
        "{}: good: {} services, {} routes, {} consumers, {} plugins, {} event hooks",
        file.display(),
        config.services.len(),
        config.routes.len(),
        config.consumers.len(),
        config.plugins.len(),
        config.event_hooks.len()
    ));
    Ok(())
}

/// Lists the plugins.
pub fn plugins() -> Result<(), Failure> {
    for kind in sluice_plugins::PLUGINS {
        print(format!("{}  (priority {})\n    {}", kind.name, kind.priority, kind.summary));
        options(&(kind.schema)());
    }
    Ok(())
}

/// Lists the events.
pub fn events() -> Result<(), Failure> {
    for kind in sluice_events::kinds().filter(|kind| kind.narrows.is_none()) {
        print(format!("source = \"{}\"  event = \"{}\"\n    {}", kind.source, kind.name, kind.summary));
        let parts = sluice_events::kinds().filter(|part| part.source == kind.source && part.narrows == Some(kind.name));
        let parts: Vec<&str> = parts.map(|part| part.name).collect();
        if !parts.is_empty() {
            print(format!("    a part of it alone: {}", parts.join(", ")));
        }
        print(format!("    fields: {}", kind.fields.join(", ")));
        let unique = if kind.unique.is_empty() { "all of them".to_owned() } else { kind.unique.join(", ") };
        print(format!("    unique: {unique}\n"));
    }
    Ok(())
}

/// Lists the handlers.
pub fn handlers() -> Result<(), Failure> {
    for kind in sluice_hooks::HANDLERS {
        print(format!("{}\n    {}", kind.name, kind.summary));
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
        print(format!("    {name:<24} {about} ({default})"));
    }
    print(String::new());
}

/// Writes a line to standard output. Whoever reads it may have had enough.
pub fn print(mut line: String) {
    line.push('\n');
    let _ = std::io::stdout().write_all(line.as_bytes());
}
