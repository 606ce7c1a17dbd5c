//! The short way: a plain request of HTTP/1 to an upstream of HTTP/1, told and answered without Pingora's machinery.
//!
//! What travels between the upstream and the client does not become a map of headers and a queue of tasks on the way.
//! That halves what a request costs. Only what is [`crate::plain`] goes here, to upstreams without TLS; everything else
//! goes Pingora's way, and both are held to the same answers by the tests.

mod body;
mod head;
mod pool;
mod request;
mod upstream;

use std::time::Instant;

use bytes::{Buf, BytesMut};
use pingora_core::{Error, ErrorSource, ErrorType, Result};

use crate::connection::Connection;
use crate::ctx::Ctx;
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
    let snapshot = ctx.snapshot.clone();
    let service = ctx.route.and_then(|at| snapshot.routes[at].service.as_deref());
    let service = service.ok_or_else(|| Error::new(ErrorType::InternalError))?;
    let request = request::write(visit, ctx)?;
    let mut answer = BytesMut::with_capacity(4096);
    ctx.upstream_started = Some(Instant::now());
    let mut upstream = ask(client, ctx, service, &request, &mut answer).await?;
    let mut early = 0;
    let head = loop {
        match head::translate(&answer, visit, ctx)? {
            Some(head) if head.interim && early == MOST_EARLY => return Err(invalid("it has too many early heads")),
            Some(head) if head.interim => {
                early += 1;
                answer.advance(head.length);
                visit.send(&head.bytes).await?;
            }
            Some(head) => break head,
            None if answer.len() > MAX_HEAD => return Err(invalid("its head is longer than 64 KiB")),
            None if upstream.fill(&mut answer, client).await? == 0 => return Err(closed("in the middle of its head")),
            None => {}
        }
    };
    visit.keep = head.client_may_stay;
    answer.advance(head.length);
    pass(visit, ctx, head, (upstream, answer)).await
}

/// Sends the request, and waits for the first bytes of the answer. A connection that was kept may turn out to be dead:
/// then another one is asked.
async fn ask(
    client: &Connection,
    ctx: &mut Ctx,
    service: &ServiceView,
    request: &[u8],
    answer: &mut BytesMut,
) -> Result<Upstream> {
    let mut may_be_kept = true;
    loop {
        let mut upstream = match Upstream::reach(service, may_be_kept, client).await {
            Ok(upstream) => {
                ctx.upstream = Some(upstream.address);
                upstream
            }
            Err(error) => {
                ctx.failures += 1;
                let for_nobody = *error.esource() == ErrorSource::Downstream;
                if for_nobody || ctx.failures > service.retries {
                    return Err(error);
                }
                continue;
            }
        };
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
