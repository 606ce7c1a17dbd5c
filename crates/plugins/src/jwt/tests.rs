//! Tokens that PyJWT has made (`fixtures/pyjwt.json`), in front of the plugin.

use std::time::Duration;

use serde_json::Value;

use crate::Body;
use crate::testing::{Bench, check_problems};

/// A time at which the tokens count: they say from 1600000000 to 1700003600.
const NOW: u64 = 1_700_000_000;

fn fixtures() -> Value {
    serde_json::from_str(include_str!("fixtures/pyjwt.json")).expect("the fixtures are JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// A consumer whose tokens are of this algorithm.
fn joe(algorithm: &str) -> String {
    let all = fixtures();
    let key = match &algorithm[..2] {
        "HS" => return joe_with(&format!("algorithm = \"{algorithm}\", secret = {}", all["secret"])),
        "RS" | "PS" => &all["keys"]["rsa"],
        "ES" if algorithm == "ES256" => &all["keys"]["p256"],
        "ES" => &all["keys"]["p384"],
        _ => &all["keys"]["ed25519"],
    };
    joe_with(&format!("algorithm = \"{algorithm}\", rsa_public_key = {key}"))
}

fn joe_with(credential: &str) -> String {
    format!("[consumers.Joe]\njwt = [{{ key = \"joe\", {credential} }}]\n[consumers.Nobody]\n")
}

/// What becomes of a request with this token: the consumer, or what is said instead.
fn ask(consumers: &str, options: &str, target: &str, headers: &[(&str, &str)]) -> Result<String, String> {
    let mut bench = Bench::new(&format!("{consumers}[plugins.jwt]\n{options}"));
    bench.clock.set(Duration::from_secs(NOW));
    let reply = bench.ask(target, headers, "192.0.2.1");
    match reply {
        None => Ok(bench.memory.consumer.as_ref().map(|consumer| consumer.username.clone()).unwrap_or_default()),
        Some(reply) => {
            assert_eq!((reply.status.as_u16(), &*reply.headers[0].0), (401, &b"WWW-Authenticate"[..]));
            Err(match reply.body {
                Body::Message(message) => message.into_owned(),
                Body::Json(json) => String::from_utf8_lossy(&json).into_owned(),
                Body::Typed { .. } | Body::Nothing => String::new(),
            })
        }
    }
}

fn bearer(consumers: &str, options: &str, token: &str) -> Result<String, String> {
    ask(consumers, options, "/", &[("authorization", &format!("Bearer {token}"))])
}

#[test]
fn what_another_implementation_has_signed_is_found_right_and_nothing_else() {
    let all = fixtures();
    let tokens = all["tokens"].as_object().expect("tokens by their algorithms");
    assert_eq!(tokens.len(), 12);
    for (algorithm, token) in tokens {
        let consumers = joe(algorithm);
        assert_eq!(bearer(&consumers, "", text(token)), Ok("Joe".into()), "{algorithm}");
        // One bit of the signature, and one of what is signed.
        let (signed, signature) = text(token).rsplit_once('.').expect("a signature");
        let flipped = |part: &str| {
            let other = if part.starts_with('A') { "B" } else { "A" };
            format!("{other}{}", &part[1..])
        };
        assert_eq!(bearer(&consumers, "", &format!("{signed}.{}", flipped(signature))), Err("Invalid signature".into()));
        let (head, _) = signed.split_once('.').expect("a head");
        let other_claims = "eyJpc3MiOiJqb2UiLCJhZG1pbiI6dHJ1ZX0";
        assert_eq!(bearer(&consumers, "", &format!("{head}.{other_claims}.{signature}")), Err("Invalid signature".into()));
        assert_eq!(bearer(&consumers, "", &format!("{signed}.")), Err("Invalid signature".into()));
        for (other, _) in tokens.iter().filter(|(other, _)| *other != algorithm) {
            assert_eq!(bearer(&joe(other), "", text(token)), Err("Invalid algorithm".into()), "{algorithm} as {other}");
        }
    }
}

#[test]
fn the_algorithm_is_the_credentials() {
    let all = fixtures();
    for algorithm in ["HS256", "RS256", "EdDSA"] {
        assert_eq!(bearer(&joe(algorithm), "", text(&all["none"])), Err("Invalid algorithm".into()));
    }
    assert_eq!(bearer(&joe("RS256"), "", text(&all["confused"])), Err("Invalid algorithm".into()));
    assert_eq!(bearer(&joe("RS256"), "", text(&all["mislabelled"])), Err("Invalid signature".into()));
}

#[test]
fn a_token_is_found_where_the_options_say() {
    let all = fixtures();
    let (joe, token) = (joe("HS256"), text(&all["tokens"]["HS256"]));
    let check = |options: &str, target: &str, headers: &[(&str, &str)], expected: Result<&str, &str>| {
        let found = ask(&joe, options, target, headers);
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{options} {target} {headers:?}");
    };
    let other = text(&all["none"]);
    check("", &format!("/?jwt={token}"), &[], Ok("Joe"));
    check("", &format!("/?token={token}"), &[], Err("Unauthorized"));
    check("uri_param_names = [\"token\"]", &format!("/?token={token}"), &[], Ok("Joe"));
    check("cookie_names = [\"t\"]", "/", &[("cookie", &format!("a=b; t={token}"))], Ok("Joe"));
    check("header_names = [\"x-t\"]", "/", &[("x-t", &format!("bearer {token}"))], Ok("Joe"));
    check("", "/", &[("authorization", token)], Err("Unauthorized"));
    check("", "/", &[("authorization", "Bearer ")], Err("Unauthorized"));
    let twice = format!("/?jwt={token}");
    check("", &twice, &[("authorization", &format!("Bearer {token}"))], Ok("Joe"));
    check("", &twice, &[("authorization", &format!("Bearer {other}"))], Err("Multiple tokens provided"));
    check("", "/?jwt=a.b", &[], Err("Bad token; it has not three parts"));
    check("anonymous = \"Nobody\"", "/?jwt=a.b", &[], Ok("Nobody"));
}

#[test]
fn the_credential_is_named_by_a_claim_or_by_the_head() {
    let all = fixtures();
    let check = |options: &str, token: &str, expected: Result<&str, &str>| {
        let found = bearer(&joe("HS256"), options, text(&all[token]));
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{options}");
    };
    check("key_claim_name = \"kid\"", "by_head", Ok("Joe"));
    check("", "by_head", Err("No mandatory 'iss' in claims"));
    let found = bearer(&joe("HS256"), "key_claim_name = \"sub\"", text(&all["tokens"]["HS256"]));
    assert_eq!(found, Err("No credentials found for given 'sub'".into()));
}

#[test]
fn times_are_checked_if_asked_for() {
    let all = fixtures();
    let token = text(&all["tokens"]["HS256"]);
    let check = |options: &str, now: u64, expected: Option<&str>| {
        let mut bench = Bench::new(&format!("{}[plugins.jwt]\n{options}", joe("HS256")));
        bench.clock.set(Duration::from_secs(now));
        let reply = bench.ask("/", &[("authorization", &format!("Bearer {token}"))], "192.0.2.1");
        let said = reply.map(|reply| {
            if let Body::Json(json) = reply.body { String::from_utf8_lossy(&json).into_owned() } else { String::new() }
        });
        assert_eq!(said.as_deref(), expected, "{options} {now}");
    };
    let both = "claims_to_verify = [\"exp\", \"nbf\"]";
    check(both, 1_700_003_599, None);
    check(both, 1_700_003_600, Some(r#"{"exp":"token expired"}"#));
    check(both, 1_599_999_999, Some(r#"{"nbf":"token not valid yet"}"#));
    check("", 1_800_000_000, None);
    let most = "claims_to_verify = [\"exp\"]\nmaximum_expiration = 60";
    check(most, 1_700_003_540, None);
    check(most, 1_700_003_539, Some(r#"{"exp":"exceeds maximum allowed expiration"}"#));
}

#[test]
fn a_secret_may_be_written_in_base64() {
    let all = fixtures();
    for secret in ["c2VjcmV0IGJ5dGVzIPv/+w==", "c2VjcmV0IGJ5dGVzIPv_-w"] {
        let consumers = joe_with(&format!("secret = \"{secret}\""));
        assert_eq!(bearer(&consumers, "secret_is_base64 = true", text(&all["base64"])), Ok("Joe".into()));
        assert_eq!(bearer(&consumers, "", text(&all["base64"])), Err("Invalid signature".into()));
    }
}

#[test]
fn a_refusal_is_an_event_without_the_token() {
    let all = fixtures();
    let mut bench = Bench::new(&format!("{}[plugins.jwt]\n", joe("HS256")));
    bench.ask("/", &[("authorization", &format!("Bearer {}", text(&all["none"])))], "192.0.2.1");
    let events = bench.events();
    assert_eq!(
        (events.len(), events[0].0.as_str(), &events[0].1["reason"]),
        (1, "jwt/unauthorized", &"Invalid algorithm".into())
    );
    assert!(!events[0].1.to_string().contains("eyJ"));
}

#[test]
fn options_and_credentials_that_make_no_sense_are_refused_by_name() {
    let all = fixtures();
    let check = |text: &str, expected: &[&str]| check_problems(&format!("[plugins.jwt]\n{text}"), expected);
    let credential = |text: &str, expected: &str| check(&joe_with(text), &[expected]);
    check("maximum_expiration = 5", &["maximum_expiration: has a meaning only with"]);
    check("claims_to_verify = [\"iat\"]", &["claims_to_verify[0]"]);
    check("header_names = [\"a b\"]", &["header_names[0]"]);
    check("uri_param_names = []\nheader_names = []", &["no token can be found"]);
    credential("algorithm = \"none\", secret = \"x\"", "algorithm");
    credential("algorithm = \"ES512\", rsa_public_key = \"x\"", "P-521 is not available");
    credential("algorithm = \"HS256\"", "required field missing: secret");
    credential("algorithm = \"RS256\", secret = \"x\"", "required field missing: rsa_public_key");
    credential(&format!("algorithm = \"ES256\", rsa_public_key = {}", all["keys"]["p384"]), "a key of the curve P-384");
    credential(&format!("algorithm = \"ES384\", rsa_public_key = {}", all["keys"]["p521"]), "no key that is known");
    credential(&format!("algorithm = \"RS256\", rsa_public_key = {}", all["keys"]["rsa-1024"]), "it has 1024 bits");
    check_problems(&format!("[plugins.jwt]\nsecret_is_base64 = true\n{}", joe_with("secret = \"a b?\"")), &["is no base64"]);
    let pkcs1 = joe_with(&format!("algorithm = \"RS256\", rsa_public_key = {}", all["keys"]["rsa-pkcs1"]));
    assert_eq!(bearer(&pkcs1, "", text(&all["tokens"]["RS256"])), Ok("Joe".into()));
}
