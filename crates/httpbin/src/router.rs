//! Finds the endpoint of a request and has it answer.

use std::net::IpAddr;

use http::{Request, Response, header};
use hyper::body::Incoming;

use crate::{
    ask::Ask,
    body::{self, Body},
    endpoints::{ENDPOINTS, Endpoint},
    problem::Problem,
    reply::Reply,
};

/// The response to `request`; a problem is one too.
pub(crate) async fn answer(request: Request<Incoming>, peer: IpAddr) -> Response<Body> {
    let reply = reply(request, peer).await.unwrap_or_else(|problem| problem.reply());
    if !reply.wait.is_zero() {
        tokio::time::sleep(reply.wait).await;
    }
    reply.response
}

async fn reply(request: Request<Incoming>, peer: IpAddr) -> Result<Reply, Problem> {
    let (head, incoming) = request.into_parts();
    let found = find(head.uri.path());
    let waits = head.headers.contains_key(header::EXPECT);
    // The body is read even if nobody wants it: the connection stays usable, and the client hears the answer.
    let read = body::read(incoming, waits).await;
    let (endpoint, parameter) = found.ok_or_else(|| Problem::NotFound(head.uri.path().to_owned()))?;
    if !endpoint.methods.contain(&head.method) {
        return Err(Problem::Method(endpoint.methods));
    }
    let ask = Ask { parameter, body: read?, peer, head };
    (endpoint.answer)(&ask)
}

/// The endpoint for `path`, and what stands in place of its parameter.
fn find(path: &str) -> Option<(&'static Endpoint, String)> {
    ENDPOINTS.iter().find_map(|endpoint| Some((endpoint, parameter(endpoint.path, path)?.to_owned())))
}

/// What stands in `path` for the `{parameter}` at the end of `pattern`: one segment, or any number if it ends in `...`.
/// It is empty for a pattern without one, and `None` if the path is another.
fn parameter<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, name)) = pattern.split_once('{') else {
        return (pattern == path).then_some("");
    };
    let fits = |rest: &&str| name.ends_with("...}") || !(rest.is_empty() || rest.contains('/'));
    path.strip_prefix(before).filter(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, path: &str, expected: Option<&str>) {
        assert_eq!(parameter(pattern, path), expected, "{path} for {pattern}");
    }

    #[test]
    fn a_pattern_fits_its_paths_only() {
        check("/get", "/get", Some(""));
        check("/get", "/get/", None);
        check("/get", "/gets", None);
        check("/status/{code}", "/status/200", Some("200"));
        check("/status/{code}", "/status/", None);
        check("/status/{code}", "/status", None);
        check("/status/{code}", "/status/200/x", None);
        check("/anything/{path...}", "/anything/a/b", Some("a/b"));
        check("/anything/{path...}", "/anything/", Some(""));
        check("/anything/{path...}", "/anythings", None);
    }
}
