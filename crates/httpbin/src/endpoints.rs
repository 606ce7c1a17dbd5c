//! What can be asked for: one file per endpoint, and the list of them.

mod anything;
mod bytes;
mod delay;
mod drip;
mod get;
mod gzip;
mod headers;
mod index;
mod ip;
mod post;
mod redirect;
mod status;
mod stream;

use http::Method;

use crate::{ask::Ask, problem::Problem, reply::Reply};

/// Every endpoint, in the order in which help shows them.
pub static ENDPOINTS: &[Endpoint] = &[
    index::ENDPOINT,
    get::ENDPOINT,
    post::ENDPOINT,
    anything::ENDPOINT,
    anything::BELOW,
    status::ENDPOINT,
    delay::ENDPOINT,
    headers::ENDPOINT,
    ip::ENDPOINT,
    bytes::ENDPOINT,
    stream::ENDPOINT,
    redirect::ENDPOINT,
    gzip::ENDPOINT,
    drip::ENDPOINT,
];

/// Something that can be asked for.
#[derive(Debug)]
pub struct Endpoint {
    /// Its path, with at most one `{parameter}`, at the end.
    pub path: &'static str,
    /// What it answers, in one line.
    pub summary: &'static str,
    pub(crate) methods: Methods,
    pub(crate) answer: fn(&Ask) -> Result<Reply, Problem>,
}

impl Endpoint {
    /// The methods that it answers to, for a person: `GET`, `POST` or `any method`.
    pub fn methods(&self) -> &'static str {
        self.methods.shown()
    }
}

/// The methods that an endpoint answers to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Methods {
    Get,
    Post,
    Any,
}

impl Methods {
    pub(crate) fn contain(self, method: &Method) -> bool {
        match self {
            Self::Get => method == Method::GET || method == Method::HEAD,
            Self::Post => method == Method::POST,
            Self::Any => true,
        }
    }

    /// The value of an Allow header.
    pub(crate) fn allow(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
            Self::Any => "any method",
        }
    }

    fn shown(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post | Self::Any => self.allow(),
        }
    }
}
