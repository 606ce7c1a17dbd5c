//! Tags: which entities a query wants, and `/tags`, all tags of all entities.

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::Error;
use crate::tables::TABLES;
use crate::{App, Shared, pages};

/// What `tags` of a query asks for.
pub(crate) struct Tags {
    /// As it was written.
    pub written: String,
    tags: Vec<String>,
    /// Whether an entity needs all of them, or one.
    all: bool,
}

impl Tags {
    /// `a,b` is both, `a/b` is any of them; the two do not go together.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let all = !text.contains('/');
        if !all && text.contains(',') {
            return Err(Error::Tags);
        }
        let tags: Vec<String> = text.split([',', '/']).map(str::to_owned).collect();
        if tags.iter().any(String::is_empty) {
            return Err(Error::Tags);
        }
        Ok(Self { written: text.to_owned(), tags, all })
    }

    /// Whether an entity that is shown so has them.
    pub fn are_of(&self, shown: &Value) -> bool {
        let has = |tag: &String| shown["tags"].as_array().is_some_and(|tags| tags.iter().any(|one| one == tag));
        if self.all { self.tags.iter().all(has) } else { self.tags.iter().any(has) }
    }
}

/// `GET /tags`.
pub(crate) async fn all(State(app): Shared, uri: Uri) -> Result<Response, Error> {
    pages::page_of_rows(&rows(&app, |_| true), &uri)
}

/// `GET /tags/{tags}`.
pub(crate) async fn one(State(app): Shared, Path(tag): Path<String>, uri: Uri) -> Result<Response, Error> {
    pages::page_of_rows(&rows(&app, |one| one == tag), &uri)
}

/// A row for each tag of each entity. Its own id only says where a page begins.
fn rows(app: &App, wanted: impl Fn(&str) -> bool) -> Vec<(Uuid, Value)> {
    let config = app.control.config();
    let mut all = Vec::new();
    for table in TABLES {
        for row in table.rows(&config) {
            let tags = row.shown["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
            all.extend(tags.filter(|tag| wanted(tag)).map(|tag| {
                let shown = json!({ "entity_name": table.name, "entity_id": row.id, "tag": tag });
                (Uuid::new_v5(&row.id, tag.as_bytes()), shown)
            }));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_is_and_a_slash_is_or() {
        let entity = json!({ "tags": ["a", "b"] });
        let check = |text: &str| Tags::parse(text).map(|tags| tags.are_of(&entity)).ok();
        assert_eq!(
            [check("a"), check("a,b"), check("a,c"), check("c/b"), check("c/d")].map(|one| one.unwrap()),
            [true, true, false, true, false]
        );
        for bad in ["a,b/c", "", "a,", "/a"] {
            assert_eq!(check(bad), None, "{bad}");
        }
        assert!(!Tags::parse("a").unwrap().are_of(&json!({ "tags": null })));
    }
}
