//! What all operations share: parameters, errors, who may ask.

use serde_json::{Value, json};
use sluice_events::SOURCES;
use sluice_plugins::PLUGINS;

use crate::schemas::KINDS;

/// Parameters by their names.
pub(crate) fn parameters() -> Value {
    let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema });
    json!({
        "size": query("size", "How long a page is.", json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 })),
        "offset": query("offset", "Where the page begins: what the one before it says.", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{32}$" })),
        "tags": query("tags", "Which entities: `a,b` have both tags, `a/b` one of them.", json!({ "type": "string", "pattern": "^[^,/]+((,[^,/]+)*|(/[^,/]+)*)$" })),
        "custom_id": query("custom_id", "The consumer with this id.", json!({ "type": "string" })),
        "balancer_health": query("balancer_health", "`1`: the upstream as a whole.", json!({ "type": "string" })),
        "check_hash": query("check_hash", "`1`: 304 if it is so already.", json!({ "type": "string" })),
        "state": query("state", "How deliveries stand.", json!({ "type": "string", "enum": sluice_hooks::WantedRecords::states().collect::<Vec<_>>() })),
        "since": query("since", "From when on, in Unix milliseconds.", milliseconds()),
        "until": query("until", "Until when, in Unix milliseconds.", milliseconds()),
        "If-Match": {
            "name": "If-Match",
            "in": "header",
            "required": false,
            "description": "The version of the configuration that must be in force.",
            "schema": { "type": "string", "pattern": r#"^(\*|"[0-9]{1,18}")$"# },
        },
    })
}

/// A part of a path that is no fixed word.
pub(crate) fn key(path: &str, name: &str) -> Value {
    let words: Option<Vec<&str>> = match (path.split('/').nth(1), name) {
        (Some("schemas"), "entity") => Some(KINDS.iter().map(|kind| kind.name).collect()),
        (Some("schemas"), "name") => Some(PLUGINS.iter().map(|kind| kind.name).collect()),
        (_, "source") => Some(SOURCES.iter().map(|source| source.name).collect()),
        _ => None,
    };
    words.map_or_else(|| json!({ "type": "string", "minLength": 1 }), |words| json!({ "type": "string", "enum": words }))
}

pub(crate) fn milliseconds() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX })
}

/// The version of the configuration, as an answer has it.
pub(crate) fn headers() -> Value {
    json!({
        "ETag": {
            "description": "The version of the configuration that this is of.",
            "required": true,
            "schema": { "type": "string", "pattern": "^\"[0-9]+\"$" },
        },
    })
}

/// Answers that say why something is not done, by their status.
pub(crate) fn responses() -> Value {
    let mut all = json!({});
    for (status, description) in [
        (400, "The request cannot be meant, or its fields are wrong: `fields` has what is wrong with which."),
        (401, "A token is needed, and there was none or a wrong one."),
        (403, "The token is for looking only, or the request comes from the page of another site."),
        (404, "There is nothing here."),
        (405, "The configuration is changed in its file only: `write_back` is off."),
        (408, "The body did not come in time."),
        (409, "It stands in the way of how things are: another has the name, or the file is broken."),
        (412, "The version of the configuration is another than `If-Match` says."),
        (413, "The body is too long."),
        (415, "The body is of no type that is read here."),
        (429, "There were too many wrong tokens."),
        (500, "The file could not be written; nothing was changed."),
        (503, "What is needed for it is not to be had now."),
    ] {
        let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/error" } } });
        all[status.to_string()] = json!({ "description": description, "content": content });
    }
    all["304"] = json!({ "description": "It is so already." });
    all
}

/// Kong's errors.
pub(crate) fn error() -> Value {
    json!({
        "type": "object",
        "properties": {
            "message": { "type": "string" },
            "code": { "type": "integer", "description": "Kong's number of the kind of error." },
            "name": { "type": "string", "description": "Kong's name of the kind of error." },
            "fields": { "type": "object", "description": "What is wrong with which field." },
            "problems": { "type": "array", "items": { "type": "string" }, "description": "A line for each problem." },
        },
        "required": ["message"],
        "additionalProperties": false,
    })
}

/// How one says who asks.
pub(crate) fn security() -> Value {
    json!({
        "token": { "type": "apiKey", "in": "header", "name": "Kong-Admin-Token" },
        "bearer": { "type": "http", "scheme": "bearer" },
    })
}
