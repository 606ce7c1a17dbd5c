//! A line of text: nginx's combined format, and behind it what a gateway knows besides.

use super::masked::Secrets;
use super::record::Record;
use super::{escape, write};

pub(super) fn append(out: &mut Vec<u8>, record: &Record<'_>, secrets: &Secrets) {
    let ctx = record.ctx;
    write::ip(out, ctx.client_ip);
    out.extend_from_slice(b" - ");
    match record.consumer() {
        // A blank would begin another field.
        Some(name) if name.contains(' ') => quoted(out, Some(name.as_bytes())),
        Some(name) => escape::text(out, name.as_bytes()),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" [");
    write::nginx_time(out, record.at);
    out.extend_from_slice(b"] \"");
    escape::text(out, record.request.method.as_str().as_bytes());
    out.push(b' ');
    escape::text(out, &secrets.mask(record.target()));
    out.push(b' ');
    out.extend_from_slice(record.protocol());
    out.extend_from_slice(b"\" ");
    write::number(out, u64::from(record.status));
    out.push(b' ');
    write::number(out, record.sent);
    out.push(b' ');
    quoted(out, record.referer().map(|referer| secrets.mask(referer)).as_deref());
    out.push(b' ');
    quoted(out, record.user_agent());
    out.extend_from_slice(b" id=");
    out.extend_from_slice(ctx.id.as_str().as_bytes());
    out.extend_from_slice(b" route=");
    quoted(out, record.route().map(str::as_bytes));
    out.extend_from_slice(b" service=");
    quoted(out, record.service().map(str::as_bytes));
    out.extend_from_slice(b" upstream=");
    match record.upstream() {
        Some(address) => write::address(out, address),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" upstream_latency=");
    match ctx.waited {
        Some(waited) => write::millis(out, waited),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" latency=");
    write::millis(out, record.took);
    out.extend_from_slice(if ctx.limited { b" limited=1\n" } else { b" limited=0\n" });
}

fn quoted(out: &mut Vec<u8>, said: Option<&[u8]>) {
    out.push(b'"');
    escape::text(out, said.unwrap_or(b"-"));
    out.push(b'"');
}
