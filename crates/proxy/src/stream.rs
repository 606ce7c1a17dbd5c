//! A request of HTTP/2: a stream that shares its connection with others, and whose head Pingora has read.

use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use pingora_core::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use sluice_plugins::Reply;

use crate::caller::Caller;
use crate::complaints::{Complaints, Reason};
use crate::ctx::Ctx;
use crate::decide;
use crate::visit::Visit;

/// How many header fields a request may have: as many as Pingora reads in HTTP/1. h2 counts their bytes alone, and a field of
/// one byte takes two hundred.
const FIELDS: usize = 256;

/// Decides about a stream, as long as its client waits for that. An error is ours; a reply is the client's.
pub(crate) async fn decide(
    session: &mut Session,
    ctx: &mut Ctx,
    complaints: &Complaints,
) -> Result<std::result::Result<(), Reply>> {
    let caller = Caller::unpacked(session.as_downstream())?.clone();
    // Whoever watches the stream has it for himself, so the head is taken out for as long.
    let head = std::mem::replace(session.req_header_mut(), RequestHeader::from(Request::new(()).into_parts().0));
    if head.headers.len() > FIELDS {
        complaints.tell(caller.peer, Reason::LongHead, format_args!("{} header fields", head.headers.len()));
        // The client may take its time to end the stream; its headers are not kept for that.
        let mut bare = Parts::from(head);
        bare.headers = HeaderMap::new();
        *session.req_header_mut() = bare.into();
        return Ok(Err(Reply::error(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request header or cookie too large")));
    }
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
