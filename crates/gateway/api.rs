//! Calls the Admin API, and turns what it refuses into what to do about it.

pub mod place;

use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::Value;
use thiserror::Error;

use self::place::Place;
use crate::run::Failure;

/// How long an address may take to answer that somebody is there.
const CONNECT: Duration = Duration::from_secs(5);
/// How much an Admin API lists at once, at most.
const PAGE: usize = 1000;

/// There is no such thing.
#[derive(Debug, Error)]
#[error("{0}")]
struct Absent(String);

/// Whether a call failed because there is no such thing.
pub fn is_absent(failure: &Failure) -> bool {
    matches!(failure, Failure::Start(error) if error.is::<Absent>())
}

/// What is sent: its media type, and itself.
type Body = (&'static str, String);

/// An Admin API to be called.
pub struct Api {
    client: Client,
    base: Url,
    /// Where it is, as people are told.
    at: String,
}

impl Api {
    pub fn new(place: Place) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(token) = place.token {
            let mut token = HeaderValue::from_str(&token)
                .map_err(|_| Failure::Usage("the token cannot be sent: a header has no such characters; check --token".into()))?;
            token.set_sensitive(true);
            headers.insert("kong-admin-token", token);
        }
        // An answer may take as long as the hook that is tested.
        let mut client = Client::builder().default_headers(headers).no_proxy().connect_timeout(CONNECT);
        let mut at = place.url.to_string();
        if let Some(file) = place.file {
            at = format!("unix:{}", file.display());
            client = client.unix_socket(file);
        }
        Ok(Self { client: client.build().context("cannot make a client of HTTP")?, base: place.url, at })
    }

    pub async fn get(&self, path: &[&str]) -> Result<Value, Failure> {
        self.call(Method::GET, self.url(path)?, None).await
    }

    pub async fn post(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        self.call(Method::POST, self.url(path)?, Some(("application/json", body.to_string()))).await
    }

    /// Sends fields as a form: the Admin API knows their types.
    pub async fn send_fields(&self, method: Method, path: &[&str], fields: &[(String, String)]) -> Result<Value, Failure> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(fields);
        let form = url.query().unwrap_or_default().to_owned();
        url.set_query(None);
        self.call(method, url, Some(("application/x-www-form-urlencoded", form))).await
    }

    /// Sends the text of a configuration.
    pub async fn send_configuration(&self, path: &[&str], text: String) -> Result<Value, Failure> {
        self.call(Method::POST, self.url(path)?, Some(("application/toml", text))).await
    }

    pub async fn delete(&self, path: &[&str]) -> Result<(), Failure> {
        self.call(Method::DELETE, self.url(path)?, None).await.map(drop)
    }

    /// The configuration in force, as TOML.
    pub async fn configuration(&self) -> Result<String, Failure> {
        self.exchange(Method::GET, self.url(&["config"])?, None).await.map(|(_, text)| text)
    }

    /// Up to `limit` of a list.
    pub async fn list(&self, path: &[&str], query: &[(&str, &str)], limit: usize) -> Result<Vec<Value>, Failure> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query).append_pair("size", &limit.clamp(1, PAGE).to_string());
        let mut all = self.pages(url, |all| all.len() >= limit).await?;
        all.truncate(limit);
        Ok(all)
    }

    /// So many of a list, and as many again until that is enough.
    pub async fn list_until(&self, path: &[&str], size: usize, enough: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>, Failure> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().append_pair("size", &size.to_string());
        self.pages(url, enough).await
    }

    async fn pages(&self, mut url: Url, enough: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>, Failure> {
        let mut all = Vec::new();
        loop {
            let mut page = self.call(Method::GET, url.clone(), None).await?;
            if let Some(Value::Array(data)) = page.get_mut("data").map(Value::take) {
                all.extend(data);
            }
            // Its path is known; what differs is behind it.
            let next = page["next"].as_str().and_then(|next| next.split_once('?')).map(|(_, query)| query);
            let Some(next) = next.filter(|_| !enough(&all)) else { return Ok(all) };
            url.set_query(Some(next));
        }
    }

    fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        // A url loses these on its way, and would name something else.
        if let Some(bad) = path.iter().find(|part| ["", ".", ".."].contains(part)) {
            return Err(Failure::Usage(format!("\"{bad}\" is no name and no id")));
        }
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        Ok(url)
    }

    /// Asks for JSON, or for nothing.
    async fn call(&self, method: Method, url: Url, body: Option<Body>) -> Result<Value, Failure> {
        let path = url.path().to_owned();
        let (status, text) = self.exchange(method, url, body).await?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| self.is_another(&path, status))
    }

    /// Sends a request, and takes the text of the answer if it is no refusal.
    async fn exchange(&self, method: Method, url: Url, body: Option<Body>) -> Result<(StatusCode, String), Failure> {
        let path = url.path().to_owned();
        let mut request = self.client.request(method, url);
        if let Some((kind, body)) = body {
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        let answer = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| self.unreachable(error))?;
        if status.is_success() {
            return Ok((status, text));
        }
        Err(match serde_json::from_str::<Value>(&text) {
            Ok(value) => refused(status, &path, value["message"].as_str().unwrap_or(&text)),
            Err(_) => self.is_another(&path, status),
        })
    }

    /// Who answers so is something else.
    fn is_another(&self, path: &str, status: StatusCode) -> Failure {
        anyhow!("{} is no Admin API of Sluice: {path} answered {status} without JSON; check --admin", self.at).into()
    }

    fn unreachable(&self, error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let hint = "start the gateway, or say where it is by --config FILE or --admin URL";
        anyhow!("cannot reach the Admin API at {}: {cause}; {hint}", self.at).into()
    }
}

fn refused(status: StatusCode, path: &str, message: &str) -> Failure {
    let name = path.split('/').nth(2).unwrap_or_default();
    match status {
        StatusCode::BAD_REQUEST => Failure::Usage(format!("the Admin API refuses that: {message}")),
        StatusCode::UNAUTHORIZED => anyhow!(
            "the Admin API refuses the token: {message}; give the one of the gateway's [admin] by --token or SLUICE_ADMIN_TOKEN, or its file by --config"
        )
        .into(),
        StatusCode::NOT_FOUND => anyhow::Error::new(Absent(if path.starts_with("/deliveries/") {
            format!("there is no delivery \"{name}\"; `sluice hooks deliveries` shows those that are kept")
        } else if path.starts_with("/event-hooks/") {
            format!("there is no hook \"{name}\"; `sluice hooks list` shows the hooks")
        } else {
            format!("the gateway has no {path}")
        }))
        .into(),
        StatusCode::CONFLICT => anyhow!("{message}").into(),
        _ => anyhow!("the Admin API answers {status} to {path}: {message}").into(),
    }
}
