//! What becomes of a request: its route is found, the plugins are asked, and what the upstream will see is prepared.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderValue;
use sluice_config::{normalise, split_host};
use sluice_plugins::{Cx, Flow, Reply};

use crate::chain::Progress;
use crate::ctx::Ctx;
use crate::framing;
use crate::router::{Match, Router, Target};
use crate::target::UpstreamPath;
use crate::visit::Visit;

/// nginx's status of a client that did not wait; nobody sees it but the log.
pub(crate) const CLIENT_GONE: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::BAD_REQUEST,
};

/// A request that has a route.
pub(crate) struct Routed<'a> {
    path: Cow<'a, str>,
    /// How much of the path the route's path took; none if it has no paths.
    prefix: Option<usize>,
}

/// Decides about a request whose service may be of any kind.
pub(crate) async fn decide(visit: &Visit<'_>, ctx: &mut Ctx) -> Result<(), Reply> {
    if framing::takes_away_who_asks(visit.request) {
        return Err(Reply::error(StatusCode::BAD_REQUEST, "Bad request"));
    }
    let routed = route(visit, ctx)?;
    ask(visit, ctx, &routed).await
}

/// Finds out who asks, and the route; or says what to answer instead.
pub(crate) fn route<'a>(visit: &Visit<'a>, ctx: &mut Ctx) -> Result<Routed<'a>, Reply> {
    let request = visit.request;
    ctx.client_ip = ctx.snapshot.trust().client_ip(visit.caller.peer, &request.headers);
    if let Some(reply) = framing::refuse_body(request, ctx.snapshot.clients.max_body_size) {
        return Err(reply);
    }
    let path = normalise(request.uri.path());
    let (host, port) = host_of(visit);
    if !visit.is_for(&host) {
        tracing::debug!(sni = visit.sni(), %host, "the certificate of the connection is not for this host");
        return Err(Reply::error(StatusCode::MISDIRECTED_REQUEST, "Misdirected request"));
    }
    let secure = visit.scheme() == "https";
    let target = Target {
        host: &host,
        port: port.unwrap_or(if secure { 443 } else { 80 }),
        path: &path,
        method: &request.method,
        headers: &request.headers,
        secure,
        sni: visit.sni(),
        peer: (visit.caller.peer, visit.caller.peer_port),
    };
    let found = ctx.snapshot.router.find(&target);
    let found = found.ok_or_else(|| Reply::error(StatusCode::NOT_FOUND, "no Route matched with those values"))?;
    ctx.route = Some(found.route);
    if ctx.is_needed_whole() {
        ctx.memory.captures = captured(&ctx.snapshot.router, found, &path);
    }
    if let Some(reply) = ctx.snapshot.routes[found.route].protocols.refuse(visit, ctx.snapshot.trust()) {
        return Err(reply);
    }
    Ok(Routed { path, prefix: found.prefix })
}

/// What the path of the route captured, by number and by name.
fn captured(router: &Router, found: Match, path: &str) -> Vec<(Box<str>, Box<str>)> {
    let mut all = Vec::new();
    for (at, (name, range)) in router.captures(found, path).into_iter().enumerate() {
        let Some(text) = range.and_then(|range| path.get(range)) else { continue };
        all.push(((at + 1).to_string().into(), text.into()));
        all.extend(name.map(|name| (name.into(), text.into())));
    }
    all
}

/// Asks the plugins of the route, and prepares what the upstream will see; or says what to answer instead.
pub(crate) async fn ask(visit: &Visit<'_>, ctx: &mut Ctx, Routed { path, prefix }: &Routed<'_>) -> Result<(), Reply> {
    let Ctx { snapshot, client_ip, memory, route: Some(at), refused_by, limited, counted, .. } = ctx else { return Ok(()) };
    let request = visit.request;
    let route = &snapshot.routes[*at];
    let service = route.service.as_ref();
    route.tally.begin();
    *counted = true;
    if snapshot.has_plugins(route) {
        let service = service.map(|service| &service.entity);
        let mut cx = Cx { request, path, client_ip: *client_ip, route: &route.entity, service, memory };
        let mut progress = Progress::default();
        loop {
            match route.chain.on_request(&snapshot.consumers, &mut cx, &mut progress) {
                Flow::Continue => break,
                Flow::Respond(reply) => {
                    *refused_by = progress.refused_by;
                    *limited = reply.status == StatusCode::TOO_MANY_REQUESTS;
                    return Err(reply);
                }
                Flow::Hold(time) => hold(visit, time).await?,
            }
        }
    }
    let Some(service) = service else {
        return Err(Reply::error(StatusCode::SERVICE_UNAVAILABLE, "no Service found with those values"));
    };
    if let Some(length @ 2..) = prefix.filter(|_| route.strip_path) {
        ctx.prefix = HeaderValue::from_str(&path[..length]).ok();
    }
    let joined = UpstreamPath { strip: route.strip_path, handling: route.path_handling };
    let mut upstream = joined.join(service.path.as_deref(), path, *prefix);
    if let Some(query) = request.uri.query() {
        upstream.push('?');
        upstream.push_str(query);
    }
    ctx.target = Bytes::from(upstream);
    ctx.deadline = service.request_timeout.map(|time| ctx.started + time);
    Ok(())
}

/// Lets a request wait, as long as its client does.
async fn hold(visit: &Visit<'_>, time: Duration) -> Result<(), Reply> {
    let over = tokio::time::sleep(time);
    // Whoever asks for a stream stops waiting by himself when its client goes.
    let Some(connection) = visit.connection else {
        over.await;
        return Ok(());
    };
    connection.while_it_waits(over).await.ok_or_else(client_gone)
}

/// What is said to a client that is gone.
pub(crate) fn client_gone() -> Reply {
    Reply::error(CLIENT_GONE, "Client closed request")
}

/// The host that a request is for, in lower case, and the port that it came with.
fn host_of<'a>(visit: &Visit<'a>) -> (Cow<'a, str>, Option<u16>) {
    let said = visit.host().and_then(|host| std::str::from_utf8(host).ok()).unwrap_or_default();
    let (host, port) = split_host(said);
    let upper = host.bytes().any(|byte| byte.is_ascii_uppercase());
    (if upper { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) }, port)
}
