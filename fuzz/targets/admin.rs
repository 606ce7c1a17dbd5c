//! Requests of the Admin API: whatever comes is answered, with no status of ours for what we did wrong, and what is taken
//! fits into gateway.toml.
#![no_main]

// The gateway in memory that the tests of the Admin API have.
#[path = "../../crates/admin/tests/admin/fake.rs"]
#[allow(dead_code)]
mod fake;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use sluice_admin::{Caller, Options, router};
use tower::ServiceExt;

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
}

// `METHOD PATH CONTENT-TYPE` in the first line; what follows is the body.
fuzz_target!(|said: &[u8]| {
    let cut = said.iter().position(|byte| *byte == b'\n').unwrap_or(said.len());
    let Ok(first) = std::str::from_utf8(&said[..cut]) else { return };
    let mut words = first.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    let request = Request::builder().method(word()).uri(word()).header("host", "127.0.0.1").header("content-type", word());
    let request = request.extension(Caller::by_address(([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 8001).into()));
    let Ok(request) = request.body(Body::from(said.get(cut + 1..).unwrap_or_default().to_vec())) else { return };
    // Each has a gateway of its own, so that what is found is found again.
    let router = router(fake::Fake::new(fake::FILE), Options { version: "0.1.0", ..Options::default() });
    let (status, body) = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let answer = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = answer.status();
            (status, answer.into_body().collect().await.expect("a whole answer").to_bytes())
        })
    });
    assert_ne!(status.as_u16(), 500, "{}", String::from_utf8_lossy(&body));
});
