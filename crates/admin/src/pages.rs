//! Lists in pages, as Kong cuts them: `size`, `offset`, and where the next page is.

use axum::http::{StatusCode, Uri};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sluice_config::Config;
use uuid::Uuid;

use crate::entities::Entity;
use crate::error::Error;
use crate::reply;
use crate::tags::Tags;

/// The page of `entities` that the query asks for.
pub(crate) fn page<'a, E: Entity>(config: &Config, entities: impl Iterator<Item = &'a E>, uri: &Uri) -> Result<Response, Error> {
    let query = Query::of(uri)?;
    let wanted = entities.filter(|entity| query.tags.as_ref().is_none_or(|tags| tags.are_of(&entity.show(config))));
    cut(&wanted.collect::<Vec<_>>(), (uri, &query), |entity| entity.id(), |entity| entity.show(config))
}

/// The page of rows that the query asks for; each has the id of its entity, and is shown as it is.
pub(crate) fn page_of_rows(rows: &[(Uuid, Value)], uri: &Uri) -> Result<Response, Error> {
    cut(rows, (uri, &Query::of(uri)?), |(id, _)| *id, |(_, row)| row.clone())
}

fn cut<T>(
    all: &[T],
    (uri, query): (&Uri, &Query),
    id: impl Fn(&T) -> Uuid,
    show: impl Fn(&T) -> Value,
) -> Result<Response, Error> {
    let start = query.offset.as_ref().map_or(0, |offset| offset.find(all, &id));
    let rest = all.get(start..).unwrap_or_default();
    let (now, later) = rest.split_at(query.size.unwrap_or(100).min(rest.len()));
    let data: Vec<Value> = now.iter().map(show).collect();
    let mut body = json!({ "data": data, "next": null });
    if let Some(next) = later.first() {
        let offset = Offset { position: start + now.len(), id: id(next) }.encode();
        let mut next = form_urlencoded::Serializer::for_suffix(format!("{}?", uri.path()), uri.path().len() + 1);
        next.append_pair("offset", &offset);
        next.extend_pairs(query.tags.iter().map(|tags| ("tags", &tags.written)));
        next.extend_pairs(query.size.iter().map(|size| ("size", size.to_string())));
        body["next"] = next.finish().into();
        body["offset"] = offset.into();
    }
    Ok(reply::json(StatusCode::OK, &body))
}

/// Of a list whose order changes all the time: how long a page is, and at which position it begins.
pub(crate) fn by_position(uri: &Uri) -> Result<(usize, usize), Error> {
    let query = Query::of(uri)?;
    Ok((query.size.unwrap_or(100), query.offset.map_or(0, |offset| offset.position)))
}

/// The `offset` of the page that begins at a position.
pub(crate) fn offset_of(position: usize) -> String {
    Offset { position, id: Uuid::nil() }.encode()
}

/// Of a list of which each page begins behind a place: how long a page is, and that place.
pub(crate) fn by_place(uri: &Uri) -> Result<(usize, Option<u64>), Error> {
    let query = Query::of(uri)?;
    Ok((query.size.unwrap_or(100), query.offset.and_then(|offset| u64::try_from(offset.position).ok())))
}

#[derive(Default)]
struct Query {
    size: Option<usize>,
    offset: Option<Offset>,
    tags: Option<Tags>,
}

impl Query {
    fn of(uri: &Uri) -> Result<Self, Error> {
        let mut query = Self::default();
        for (key, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match key.as_ref() {
                "size" => query.size = Some(size(&value)?),
                "offset" => query.offset = Some(Offset::decode(&value).ok_or_else(|| Error::Offset(value.into_owned()))?),
                "tags" => query.tags = Some(Tags::parse(&value)?),
                _ => {}
            }
        }
        Ok(query)
    }
}

fn size(text: &str) -> Result<usize, Error> {
    match text.parse::<f64>() {
        Err(_) => Err(Error::Size("size must be a number")),
        Ok(number) if number.fract() == 0.0 && (1.0..=1000.0).contains(&number) => Ok(number as usize),
        Ok(_) => Err(Error::Size("size must be an integer between 1 and 1000")),
    }
}

/// Where a page begins: at an entity, or, if it is gone, where it stood.
struct Offset {
    position: usize,
    id: Uuid,
}

impl Offset {
    /// 32 letters, all of which mean something: whatever has that many is one.
    fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode([&(self.position as u64).to_be_bytes()[..], self.id.as_bytes()].concat())
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (position, id) = bytes.split_first_chunk::<8>()?;
        let position = usize::try_from(u64::from_be_bytes(*position)).unwrap_or(usize::MAX);
        Some(Self { position, id: Uuid::from_slice(id).ok()? })
    }

    fn find<T>(&self, all: &[T], id: impl Fn(&T) -> Uuid) -> usize {
        let there = all.get(self.position).is_some_and(|one| id(one) == self.id);
        if there {
            return self.position;
        }
        all.iter().position(|one| id(one) == self.id).unwrap_or(self.position)
    }
}
