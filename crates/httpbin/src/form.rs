//! A request and its body, as /post and others show it.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    ask::{Ask, flatten},
    multipart,
};

/// The request and its body. A form fills `form` and `files`; any other body is `data`, and `json` if it is JSON.
pub(crate) fn shown(ask: &Ask) -> Value {
    let mut shown = ask.shown();
    shown["data"] = "".into();
    shown["files"] = json!({});
    shown["form"] = json!({});
    shown["json"] = Value::Null;
    let content_type = ask.header("content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        shown["form"] = flatten(form_urlencoded::parse(&ask.body).into_owned());
    } else if media_type.eq_ignore_ascii_case("multipart/form-data")
        && let Some(parts) = multipart::parse(content_type, &ask.body)
    {
        let (files, fields) = parts.into_iter().partition(|part| part.is_file);
        shown["files"] = values(files);
        shown["form"] = values(fields);
    } else {
        shown["data"] = text("application/octet-stream", &ask.body).into();
        shown["json"] = serde_json::from_slice(&ask.body).unwrap_or_default();
    }
    shown
}

fn values(parts: Vec<multipart::Part<'_>>) -> Value {
    flatten(parts.into_iter().map(|part| (part.name.to_owned(), text(part.content_type, part.data))))
}

/// `data` as it is if it is UTF-8, and otherwise as a data URL.
fn text(content_type: &str, data: &[u8]) -> String {
    match std::str::from_utf8(data) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("data:{content_type};base64,{}", BASE64_STANDARD.encode(data)),
    }
}
