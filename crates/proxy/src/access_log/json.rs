//! A line of JSON: an object with a key for everything that is known; what is not known is null.

use super::masked::Secrets;
use super::record::Record;
use super::{escape, write};

pub(super) fn append(out: &mut Vec<u8>, record: &Record<'_>, secrets: &Secrets) {
    let ctx = record.ctx;
    out.extend_from_slice(b"{\"time\":\"");
    write::rfc3339(out, record.at);
    out.extend_from_slice(b"\",\"request_id\":\"");
    out.extend_from_slice(ctx.id.as_str().as_bytes());
    out.extend_from_slice(b"\",\"client_ip\":\"");
    write::ip(out, ctx.client_ip);
    out.push(b'"');
    text(out, b",\"consumer\":", record.consumer().map(str::as_bytes));
    text(out, b",\"method\":", Some(record.request.method.as_str().as_bytes()));
    text(out, b",\"host\":", record.host());
    text(out, b",\"path\":", Some(&secrets.mask(record.target())));
    text(out, b",\"protocol\":", Some(record.protocol()));
    number(out, b",\"status\":", u64::from(record.status));
    number(out, b",\"bytes_in\":", record.received);
    number(out, b",\"bytes_out\":", record.sent);
    text(out, b",\"route\":", record.route().map(str::as_bytes));
    text(out, b",\"service\":", record.service().map(str::as_bytes));
    upstream(out, record);
    number(out, b",\"retries\":", u64::from(ctx.tries.failures));
    out.extend_from_slice(b",\"latency\":");
    write::millis(out, record.took);
    out.extend_from_slice(b",\"limited\":");
    out.extend_from_slice(if ctx.limited { b"true" } else { b"false" });
    text(out, b",\"refused_by\":", ctx.refused_by.map(str::as_bytes));
    text(out, b",\"user_agent\":", record.user_agent());
    text(out, b",\"referer\":", record.referer().map(|referer| secrets.mask(referer)).as_deref());
    text(out, b",\"traceparent\":", record.traceparent());
    out.extend_from_slice(b"}\n");
}

fn upstream(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(b",\"upstream\":");
    match record.upstream() {
        Some(address) => {
            out.push(b'"');
            write::address(out, address);
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"upstream_latency\":");
    match record.ctx.waited {
        Some(waited) => write::millis(out, waited),
        None => out.extend_from_slice(b"null"),
    }
}

fn text(out: &mut Vec<u8>, key: &[u8], said: Option<&[u8]>) {
    out.extend_from_slice(key);
    match said {
        Some(said) => {
            out.push(b'"');
            escape::json(out, said);
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}

fn number(out: &mut Vec<u8>, key: &[u8], number: u64) {
    out.extend_from_slice(key);
    write::number(out, number);
}
