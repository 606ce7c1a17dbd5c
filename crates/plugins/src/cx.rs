//! What a plugin sees of a request, and what it may leave for later phases.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use sluice_events::Entity;
use sluice_limits::Permit;

use crate::body_change::BodyChange;
use crate::client::Consumer;
use crate::limiting::Held;
use crate::response_headers::ResponseHeaders;

/// A request as a plugin sees it.
pub struct Cx<'a> {
    /// Method, target and headers as the client sent them.
    pub request: &'a Parts,
    /// The path after normalisation: what routes are matched by.
    pub path: &'a str,
    /// Who is at the other end, behind trusted proxies.
    pub client_ip: IpAddr,
    /// The route that matched.
    pub route: &'a Arc<Entity>,
    /// Its service.
    pub service: Option<&'a Arc<Entity>>,
    /// What is known by now, and stays known.
    pub memory: &'a mut Memory,
}

/// What plugins find out about a request; it lives until the request ends.
#[derive(Default)]
pub struct Memory {
    /// Who calls.
    pub consumer: Option<Arc<Consumer>>,
    /// The id of the credential by which that is known; none of somebody who has no name but that of the anonymous.
    pub credential: Option<Arc<str>>,
    /// What upstreams are told of that credential.
    pub identifier: Option<HeaderValue>,
    /// The groups by which `acl` let the request pass, as upstreams are told.
    pub(crate) groups: Option<HeaderValue>,
    /// The id that `correlation-id` gave the request.
    pub(crate) correlation: Option<HeaderValue>,
    /// What the path of the route captured of the request's, by name and by number.
    pub captures: Vec<(Box<str>, Box<str>)>,
    /// How long the body of the request may be.
    pub body_limit: Option<u64>,
    /// What is to be done with the body of the request before the upstream gets it.
    pub body_change: Option<Arc<dyn BodyChange>>,
    /// What the answer gets, whoever makes it.
    pub response_headers: ResponseHeaders,
    /// That the request is held open for now. Its place in the queue comes back when this is dropped, however that comes.
    pub(crate) held: Option<Held>,
    /// Leave to be in flight, which comes back when this is dropped: so the memory lives as long as the request does.
    pub(crate) permit: Option<Permit>,
}

/// The request on its way to the upstream, as far as a plugin may change it.
pub trait UpstreamRequest {
    /// Sets a header, replacing what was there.
    fn set_header(&mut self, name: &HeaderName, value: HeaderValue);
    /// Takes a header out.
    fn remove_header(&mut self, name: &HeaderName);
    /// Takes an argument out of the query.
    fn remove_query(&mut self, name: &str);
    /// All of it, on Pingora's way; on the short way it is not in one place.
    fn whole(&mut self) -> Option<&mut Parts>;
}
