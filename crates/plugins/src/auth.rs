//! What plugins have in common that find out who calls: one of several may be enough, upstreams are told who it is, and
//! hooks hear of refusals.
//!
//! Without `anonymous` a plugin insists. With it, whoever is known already passes, and who is unknown is the anonymous
//! consumer from there on, unless another such plugin knows better.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use sluice_config::{Block, Problem, one_of};
use sluice_events::{Emitter, Unauthorized};

use crate::client::Consumer;
use crate::credentials::credential_id;
use crate::cx::{Cx, Memory, UpstreamRequest};
use crate::plugin::{BuildCx, CredentialKind, Flow};
use crate::reply::{Body, Reply};

/// The door that such a plugin keeps.
pub(crate) struct Door {
    anonymous: Option<Arc<Consumer>>,
    run_on_preflight: bool,
    unauthorized: Emitter<Unauthorized>,
}

/// A credential that somebody has.
pub(crate) struct Known {
    consumer: Arc<Consumer>,
    id: Arc<str>,
    /// What upstreams are told of it.
    identifier: Option<HeaderValue>,
}

/// Why somebody does not get in, and what he is told.
pub(crate) struct Refusal {
    reason: Cow<'static, str>,
    reply: Reply,
}

impl Refusal {
    /// 401 with this message and this challenge.
    pub fn new(reason: impl Into<Cow<'static, str>>, challenge: &HeaderValue) -> Self {
        let reason = reason.into();
        let mut reply = Reply::error(StatusCode::UNAUTHORIZED, reason.clone());
        reply.headers.push((Bytes::from_static(b"WWW-Authenticate"), challenge.clone()));
        Self { reason, reply }
    }

    /// The same with this JSON in the place of the message.
    pub fn saying(mut self, json: impl Into<Bytes>) -> Self {
        self.reply.body = Body::Json(json.into());
        self
    }
}

impl Door {
    /// The door of the plugin of this name.
    pub fn new(plugin: &str, anonymous: Option<&str>, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Self {
        let consumer = anonymous.and_then(|name| {
            let mut all = cx.consumers.iter();
            all.find(|consumer| consumer.username == name || consumer.id.to_string() == name).cloned()
        });
        if let (Some(name), None) = (anonymous, &consumer) {
            let names = cx.consumers.iter().map(|consumer| consumer.username.as_str());
            problems.push(cx.block.problem_at("anonymous", format!("there is no consumer \"{name}\"")).help(one_of(name, names)));
        }
        Self { anonymous: consumer, run_on_preflight: true, unauthorized: cx.bus.emitter_of(plugin) }
    }

    /// The same, which OPTIONS requests pass unasked if this says so.
    pub fn with_preflight(self, run_on_preflight: bool) -> Self {
        Self { run_on_preflight, ..self }
    }

    /// Whether nobody need be asked.
    pub fn stands_open(&self, cx: &Cx<'_>) -> bool {
        let known = || self.anonymous.is_some() && cx.memory.credential.is_some();
        (!self.run_on_preflight && cx.request.method == Method::OPTIONS) || known()
    }

    /// Lets in whoever is known.
    pub fn decide(&self, found: Result<&Known, Refusal>, cx: &mut Cx<'_>) -> Flow {
        let refusal = match found {
            Ok(known) => {
                cx.memory.consumer = Some(known.consumer.clone());
                cx.memory.credential = Some(known.id.clone());
                cx.memory.identifier = known.identifier.clone();
                return Flow::Continue;
            }
            Err(refusal) => refusal,
        };
        if let Some(anonymous) = &self.anonymous {
            cx.memory.consumer = Some(anonymous.clone());
            return Flow::Continue;
        }
        // The credential itself may be somebody's with a slip in it: it is not told.
        self.unauthorized.emit(|| Unauthorized {
            consumer: cx.memory.consumer.as_ref().map(|consumer| consumer.entity.clone()),
            ip: cx.client_ip,
            service: cx.service.cloned(),
            route: Some(cx.route.clone()),
            reason: refusal.reason.clone(),
        });
        Flow::Respond(refusal.reply)
    }
}

/// The credentials of all consumers that can be read as `C`. Broken ones are told of elsewhere.
pub(crate) fn credentials<'a, C: DeserializeOwned>(
    kind: &'static CredentialKind,
    cx: &BuildCx<'a>,
) -> impl Iterator<Item = (C, &'a Block, Known)> {
    cx.consumers.credentials(kind.list).filter_map(|(block, consumer)| {
        let id = credential_id(kind.table, block).to_string();
        let known = Known { consumer: consumer.clone(), identifier: HeaderValue::from_str(&id).ok(), id: id.into() };
        Some((block.read::<C>().ok()?, block, known))
    })
}

impl Known {
    /// The same, of which upstreams are told this in the place of its id.
    pub fn called(self, identifier: &str) -> Self {
        Self { identifier: HeaderValue::from_str(identifier).ok(), ..self }
    }
}

/// A challenge of this scheme.
pub(crate) fn challenge(scheme: &str, realm: Option<&str>, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> HeaderValue {
    let text = realm.map_or_else(|| scheme.to_owned(), |realm| format!("{scheme} realm=\"{realm}\""));
    let sound = realm.is_none_or(|realm| !realm.contains(['"', '\\']));
    HeaderValue::try_from(text).ok().filter(|_| sound).unwrap_or_else(|| {
        problems.push(cx.block.problem_at("realm", "no header can hold it between quotes"));
        HeaderValue::from_static("")
    })
}

static X_CONSUMER_ID: HeaderName = HeaderName::from_static("x-consumer-id");
static X_CONSUMER_USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");
static X_CONSUMER_CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");
static X_CONSUMER_GROUPS: HeaderName = HeaderName::from_static("x-consumer-groups");
static X_CREDENTIAL_IDENTIFIER: HeaderName = HeaderName::from_static("x-credential-identifier");
static X_ANONYMOUS_CONSUMER: HeaderName = HeaderName::from_static("x-anonymous-consumer");
static X_AUTHENTICATED_GROUPS: HeaderName = HeaderName::from_static("x-authenticated-groups");

/// Tells the upstream who calls. What the client sent under these names is never believed.
pub(crate) fn tell(memory: &Memory, request: &mut dyn UpstreamRequest) {
    for (name, value) in values(memory) {
        match value {
            Some(value) => request.set_header(name, value),
            None => request.remove_header(name),
        }
    }
}

/// What the upstream is told under this name, if it is one of those that clients are not believed.
pub(crate) fn told(memory: &Memory, name: &HeaderName) -> Option<Option<HeaderValue>> {
    values(memory).into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn values(memory: &Memory) -> [(&'static HeaderName, Option<HeaderValue>); 7] {
    let told = memory.consumer.as_ref().map(|consumer| &consumer.headers);
    let anonymous = memory.consumer.is_some() && memory.credential.is_none();
    [
        (&X_CONSUMER_ID, told.and_then(|told| told.id.clone())),
        (&X_CONSUMER_USERNAME, told.and_then(|told| told.username.clone())),
        (&X_CONSUMER_CUSTOM_ID, told.and_then(|told| told.custom_id.clone())),
        (&X_CREDENTIAL_IDENTIFIER, memory.identifier.clone()),
        (&X_ANONYMOUS_CONSUMER, anonymous.then_some(HeaderValue::from_static("true"))),
        (&X_CONSUMER_GROUPS, memory.groups.clone()),
        (&X_AUTHENTICATED_GROUPS, None),
    ]
}
