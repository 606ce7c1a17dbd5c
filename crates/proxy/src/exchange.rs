//! The short way: a plain request of HTTP/1 to an upstream of HTTP/1, told and answered without Pingora's machinery.
//!
//! What travels between the upstream and the client does not become a map of headers and a queue of tasks on the way.
//! That halves what a request costs. Only what is [`crate::plain`] goes here, to upstreams without TLS; everything else
//! goes Pingora's way, and both are held to the same answers by the tests.

mod body;
mod head;
mod pool;
mod request;
mod stream;
mod upstream;

use std::pin::pin;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use pingora_core::{Error, ErrorSource, ErrorType, Result};

use crate::balancer::{Address, again, choose};
use crate::connection::Connection;
use crate::ctx::Ctx;
use crate::service::late;
use crate::snapshot::ServiceView;
use crate::visit::Visit;
use body::Body;
use head::Head;
use upstream::Upstream;

/// The longest head of an answer.
const MAX_HEAD: usize = 64 * 1024;
/// How many heads may come before the answer's own.
const MOST_EARLY: usize = 16;

/// Asks the upstream and passes its answer on. An error before the first byte of the answer is still to be answered.
pub(crate) async fn exchange(visit: &mut Visit<'_>, client: &Connection, ctx: &mut Ctx) -> Result<()> {
    let deadline = ctx.deadline;
    let outcome = {
        let mut attempt = pin!(attempt(visit, client, ctx));
        match deadline {
            None => attempt.await,
            Some(deadline) => {
                let in_time = tokio::time::timeout_at(deadline.into(), attempt.as_mut()).await;
                in_time.unwrap_or_else(|_| Err(late()))
            }
        }
    };
    outcome.inspect_err(|error| ctx.has_failed(error, ctx.answered != 0))
}

/// Tries one peer after the other until one answers, and passes the answer on.
async fn attempt(visit: &mut Visit<'_>, client: &Connection, ctx: &mut Ctx) -> Result<()> {
    let snapshot = ctx.snapshot.clone();
    let service = ctx.route.and_then(|at| snapshot.routes[at].service.as_deref());
    let service = service.ok_or_else(|| Error::new(ErrorType::InternalError))?;
    ctx.upstream_started = Some(Instant::now());
    loop {
        let mut early = 0;
        let error = match ask((visit, client), ctx, service, &mut early).await {
            Ok((head, rest)) => {
                ctx.tries.answered(head.status);
                visit.keep = head.client_may_stay;
                return pass(visit, ctx, head, rest).await;
            }
            Err(error) => error,
        };
        // A client that has heard of one peer is not told by another.
        if early > 0 || !again(ctx, &error) {
            return Err(error);
        }
    }
}

/// Sends the request to the next peer, and reads the head of the answer; what came before it, the client is sent. A
/// connection that was kept may turn out to be dead: then a new one is made.
async fn ask(
    (visit, client): (&Visit<'_>, &Connection),
    ctx: &mut Ctx,
    service: &ServiceView,
    early: &mut usize,
) -> Result<(Head, (Upstream, BytesMut))> {
    choose(visit.request, ctx).await?;
    let request = request::write(visit, ctx)?;
    let address = ctx.tries.address().or_else(|| service.target.fixed());
    let address = address.ok_or_else(|| Error::new(ErrorType::InternalError))?;
    ctx.upstream = address.inet();
    let mut answer = BytesMut::with_capacity(4096);
    let mut upstream = send((service, address), client, &request, &mut answer).await?;
    loop {
        match head::translate(&answer, visit, ctx)? {
            Some(head) if head.interim && *early == MOST_EARLY => return Err(invalid("it has too many early heads")),
            Some(head) if head.interim => {
                *early += 1;
                answer.advance(head.length);
                visit.send(&head.bytes).await?;
            }
            Some(head) => {
                answer.advance(head.length);
                return Ok((head, (upstream, answer)));
            }
            None if answer.len() > MAX_HEAD => return Err(invalid("its head is longer than 64 KiB")),
            None if upstream.fill(&mut answer, client).await? == 0 => return Err(closed("in the middle of its head")),
            None => {}
        }
    }
}

/// Sends the request, and waits for the first bytes of the answer.
async fn send(
    (service, address): (&ServiceView, &Address),
    client: &Connection,
    request: &[u8],
    answer: &mut BytesMut,
) -> Result<Upstream> {
    let mut may_be_kept = true;
    loop {
        let mut upstream = Upstream::reach((service, address), may_be_kept, client).await?;
        let kept = upstream.kept;
        let said = match upstream.send(request).await {
            Ok(()) => upstream.fill(answer, client).await,
            Err(error) => Err(error),
        };
        match said {
            Ok(0) if !kept => return Err(closed("before its answer")),
            Ok(n) if n > 0 => return Ok(upstream),
            Err(error) if !kept || !is_stale(&error) => return Err(error),
            Ok(_) | Err(_) => may_be_kept = false,
        }
    }
}

/// Whether an error is what a connection shows that was closed while nobody looked.
fn is_stale(error: &Error) -> bool {
    matches!(error.etype(), ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed)
        && *error.esource() == ErrorSource::Upstream
}

/// Passes the head and the body on, as fast as the client takes them.
async fn pass(visit: &Visit<'_>, ctx: &mut Ctx, head: Head, (mut upstream, mut answer): (Upstream, BytesMut)) -> Result<()> {
    let mut body = Body::new(head.framing, head.coding);
    let mut out = head.bytes;
    loop {
        let used = if out.is_empty() && body.as_it_is() {
            let part = body.part(answer.len());
            visit.answer(ctx, head.status, &answer[..part]).await?;
            ctx.sent = body.passed;
            part
        } else {
            body.take(&answer, &mut out).map_err(invalid)?
        };
        answer.advance(used);
        if body.ended() {
            break;
        }
        visit.answer(ctx, head.status, &out).await?;
        ctx.sent = body.passed;
        out.clear();
        answer.reserve(body.room());
        if upstream.fill(&mut answer, visit.connection()?).await? == 0 {
            body.closed().map_err(closed)?;
        }
        if body.ended() {
            break;
        }
    }
    body.finish(&mut out);
    // The upstream has said everything: the next request may ask it while this client is still reading.
    if head.upstream_may_stay && answer.is_empty() {
        upstream.keep();
    }
    visit.answer(ctx, head.status, &out).await?;
    ctx.sent = body.passed;
    Ok(())
}

fn closed(when: &'static str) -> Box<Error> {
    Error::explain(ErrorType::ConnectionClosed, when).into_up()
}

fn invalid(why: &'static str) -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, why).into_up()
}
