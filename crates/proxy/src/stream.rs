//! A request of HTTP/2: a stream that shares its connection with others, and whose head Pingora has read.

use http::Request;
use pingora_core::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use sluice_plugins::Reply;

use crate::caller::Caller;
use crate::ctx::Ctx;
use crate::decide;
use crate::visit::Visit;

/// Decides about a stream, as long as its client waits for that. An error is ours; a reply is the client's.
pub(crate) async fn decide(session: &mut Session, ctx: &mut Ctx) -> Result<std::result::Result<(), Reply>> {
    let caller = Caller::unpacked(session.as_downstream())?.clone();
    // Whoever watches the stream has it for himself, so the head is taken out for as long.
    let head = std::mem::replace(session.req_header_mut(), RequestHeader::from(Request::new(()).into_parts().0));
    let visit = Visit { request: &head, caller: &caller, connection: None, keep: false, shutdown: None };
    let decided = match session.watch_h2_stream_close() {
        Some(gone) => tokio::select! {
            biased;
            decided = decide::decide(&visit, ctx) => decided,
            _ = gone => Err(decide::client_gone()),
        },
        None => decide::decide(&visit, ctx).await,
    };
    *session.req_header_mut() = head;
    Ok(decided)
}
