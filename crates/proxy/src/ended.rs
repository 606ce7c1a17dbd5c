//! The end of a request: the one place that counts it and logs it, whichever way it went.

use http::request::Parts;

use crate::access_log::{Record, now};
use crate::ctx::Ctx;
use crate::decide::CLIENT_GONE;
use crate::tally::Counted;
use crate::traffic::Traffic;

/// What only the way knows that a request went.
pub(crate) struct Ending<'a> {
    pub request: &'a Parts,
    /// The status that the client was sent; 0 if there was no answer.
    pub status: u16,
    /// Bytes of bodies, from the client and to it.
    pub received: u64,
    pub sent: u64,
}

/// A request has ended. Whoever answers requests calls it, once for each.
pub(crate) fn ended(traffic: &Traffic, ctx: &Ctx, ending: &Ending<'_>) {
    let Ending { request, received, sent, .. } = *ending;
    let status = if ending.status == 0 { CLIENT_GONE.as_u16() } else { ending.status };
    let took = ctx.started.elapsed();
    let tally = ctx.route.map_or(&traffic.unrouted, |at| &*ctx.snapshot.routes[at].tally);
    let (upstream_took, retries, refused_by) = (ctx.waited, ctx.tries.failures, ctx.refused_by);
    tally.end(&Counted { status, took, upstream_took, received, sent, retries, refused_by }, ctx.counted);
    if let Some(log) = &ctx.snapshot.access_log {
        log.log(&traffic.lines, &Record { at: now(), request, ctx, status, took, received, sent });
    }
}
