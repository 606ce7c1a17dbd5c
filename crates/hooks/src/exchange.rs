//! One HTTP exchange with a receiver: signed, cut at the deadline, read up to a limit, and judged by its status.

use std::error::Error;
use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header::RETRY_AFTER};
use reqwest::{Client, Response};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::answer::{self, Answer};
use crate::handler::{Cx, Failure};
use crate::job::unix_ms;
use crate::signing::Signer;

/// A connection that breaks sooner than this was closed by the receiver while it was idle.
const STALE: Duration = Duration::from_secs(1);

/// What is sent.
#[derive(Clone)]
pub(crate) struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Whether the receiver's certificate is checked.
    pub verify: bool,
}

/// Sends the request under this id. Only 2xx is success, and its head is enough: a body that never ends is cut, not tried again.
pub(crate) async fn send(mut request: Request, id: &str, signer: &Signer, cx: &Cx<'_>) -> Result<(), Failure> {
    let timestamp = unix_ms() / 1000;
    signer.sign(&mut request.headers, id, timestamp, &request.body);
    let client = cx.clients.client(&request.url, request.verify).map_err(Failure::retry)?;
    let answer = timeout_at(cx.deadline, exchange(&client, request)).await;
    let response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(Failure::retry(reason(error))),
        Err(_) => return Err(Failure::retry("no answer before the deadline")),
    };
    let (status, after) = (response.status(), retry_after(response.headers(), SystemTime::now()));
    let headers = answer::head(response.headers());
    let body = answer::body(response, cx.deadline).await;
    cx.answer.put(Answer { status: status.as_u16(), headers, body });
    judge(status, after)
}

/// Sends it, and once more at once if a kept connection turns out to be closed.
async fn exchange(client: &Client, request: Request) -> Result<Response, reqwest::Error> {
    let started = Instant::now();
    match once(client, request.clone()).await {
        Err(error) if is_closed(&error) && started.elapsed() < STALE => once(client, request).await,
        answer => answer,
    }
}

/// Whether the connection ended before there was an answer. One that could not be understood was there.
fn is_closed(error: &reqwest::Error) -> bool {
    if error.is_connect() {
        return false;
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_canceled())
        {
            return true;
        }
        let io = inner.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if io
            .is_some_and(|kind| [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::ConnectionAborted].contains(&kind))
        {
            return true;
        }
        cause = inner.source();
    }
    false
}

async fn once(client: &Client, request: Request) -> Result<Response, reqwest::Error> {
    client.request(request.method, request.url).headers(request.headers).body(request.body).send().await
}

fn judge(status: StatusCode, after: Option<Duration>) -> Result<(), Failure> {
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::GONE => Err(Failure::Gone { reason: "the receiver answered 410 Gone".into() }),
        _ if status.is_redirection() => {
            Err(Failure::retry(format!("the receiver answered {status}, and redirects are not followed")))
        }
        _ => Err(Failure::Retry { reason: format!("the receiver answered {status}"), after }),
    }
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()),
    }
}

/// What went wrong, down to its cause, without the url: that may hold a secret.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        let check = |text: &'static str, expected: Option<u64>| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, http::HeaderValue::from_static(text))]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        };
        check("7", Some(7));
        check(" 7 ", Some(7));
        check("Sun, 06 Nov 1994 08:49:47 GMT", Some(10));
        check("Sun, 06 Nov 1994 08:49:27 GMT", Some(0));
        check("-1", None);
        check("inf", None);
        check("soon", None);
    }

    #[tokio::test]
    async fn a_receiver_that_never_answers_is_cut_at_the_deadline() {
        // It fails only if another test was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let request = Request { method: Method::POST, url, headers: HeaderMap::new(), body: Bytes::new(), verify: true };
        let (clients, deadline) = (crate::clients::Clients::default(), Instant::now() + Duration::from_millis(50));
        let result =
            send(request, "msg_1", &Signer::new(&[], None), &Cx { clients: &clients, deadline, answer: &Default::default() })
                .await;
        assert_eq!(result, Err(Failure::retry("no answer before the deadline")));
    }

    #[test]
    fn only_2xx_is_success_and_410_is_the_end() {
        let retries =
            |status: u16| matches!(judge(StatusCode::from_u16(status).expect("a status"), None), Err(Failure::Retry { .. }));
        assert_eq!(judge(StatusCode::NO_CONTENT, None), Ok(()));
        assert!([301, 302, 400, 404, 429, 500, 503].into_iter().all(retries));
        assert!(matches!(judge(StatusCode::GONE, None), Err(Failure::Gone { .. })));
    }
}
