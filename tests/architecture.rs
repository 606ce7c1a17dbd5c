//! The invariants of crates/README.md, read off the source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`, with its text.
pub fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found
}

/// The text of a file without its unit tests.
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests").next().unwrap()
}

/// The files in which `word` stands, tests aside.
fn files_with(word: &str) -> Vec<String> {
    let all = sources("crates").into_iter().filter(|(path, _)| {
        !path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "benches" | "examples")))
    });
    let mut files: Vec<String> =
        all.filter(|(_, text)| without_tests(text).contains(word)).map(|(path, _)| path.display().to_string()).collect();
    files.sort();
    files
}

#[test]
fn crates_depend_on_each_other_by_the_allowed_edges_only() {
    let allowed: BTreeMap<&str, &[&str]> = [
        ("config", &[][..]),
        ("limits", &[]),
        ("events", &[]),
        ("httpbin", &[]),
        ("plugins", &["config", "events", "limits"]),
        ("hooks", &["config", "events"]),
        ("proxy", &["config", "events", "plugins"]),
        ("admin", &["config", "events", "hooks", "plugins"]),
    ]
    .into();
    for (name, edges) in allowed {
        let manifest: toml::Table =
            toml::from_str(&std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap()).unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some(format!("sluice-{name}").as_str()));
        let dependencies = manifest["dependencies"].as_table().unwrap();
        let found: Vec<&str> = dependencies.keys().filter_map(|key| key.strip_prefix("sluice-")).collect();
        assert!(found.iter().all(|edge| edges.contains(edge)), "{name} -> {found:?}, allowed {edges:?}");
        let pingora = dependencies.keys().any(|key| key.starts_with("pingora"));
        assert_eq!(pingora, name == "proxy", "{name}: Pingora is known to proxy and gateway only");
    }
    assert!(!root().join("src").exists(), "the root package has no src/");
}

#[test]
fn what_has_one_place_is_in_no_other() {
    assert_eq!(files_with("impl ProxyHttp for"), ["crates/proxy/src/service.rs"]);
    for word in ["write_response_header(", "ResponseHeader::build(", "respond_error("] {
        assert_eq!(files_with(word), Vec::<String>::new(), "{word}: answers of our own go past Pingora's writer");
    }
    // One writes answers of our own, the other those of upstreams.
    assert_eq!(files_with("Lines::begin("), ["crates/proxy/src/exchange/head.rs", "crates/proxy/src/reply.rs"]);
    assert_eq!(files_with("live.store("), ["crates/gateway/control.rs"], "one door changes the configuration");
    // The others are no requests: a change and the Admin API, the checker of targets, the resolver of names.
    let loads = [
        "crates/gateway/control.rs",
        "crates/proxy/src/balancer/checker.rs",
        "crates/proxy/src/balancer/resolver.rs",
        "crates/proxy/src/service.rs",
    ];
    assert_eq!(files_with("live.load"), loads, "a request loads its snapshot once");
    assert_eq!(files_with("engine.replace("), ["crates/gateway/control.rs"]);
}

#[test]
fn config_knows_no_plugin_and_limits_knows_no_clock_of_its_own() {
    for (path, text) in sources("crates/config/src") {
        for kind in sluice_plugins::PLUGINS {
            // The remedy for a list of credentials needs an example.
            let text = without_tests(&text).replace("such as key-auth = [{ key", "");
            let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            assert!(!code.contains(kind.name), "{} knows {}", path.display(), kind.name);
        }
    }
    for (path, text) in sources("crates/limits/src") {
        let clock = path.ends_with("clock.rs");
        assert!(clock || !without_tests(&text).contains("SystemTime::now"), "{}", path.display());
        assert!(!without_tests(&text).contains("Instant::now"), "{}", path.display());
    }
}

#[test]
fn nothing_waits_on_the_way_of_a_request() {
    for (path, text) in sources("crates/plugins/src").into_iter().chain(sources("crates/proxy/src")) {
        let text = without_tests(&text);
        // The pool of limiters is locked where a configuration is built, not by requests.
        let pool = path.ends_with("limiters.rs");
        // A connection is its task's alone: its locks are tried, and never waited for.
        let connection = path.ends_with("connection.rs");
        assert!(!connection || !text.contains(".lock()"), "{}: waits for a lock", path.display());
        for word in ["Mutex", "RwLock", "std::fs", "thread::sleep", "block_on"] {
            assert!(pool || (connection && word == "Mutex") || !text.contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn every_queue_is_bounded() {
    for word in ["unbounded_channel", "mpsc::unbounded", "SegQueue", "flume::unbounded"] {
        assert_eq!(files_with(word), Vec::<String>::new(), "{word}");
    }
}

#[test]
fn a_file_opens_with_a_sentence_and_holds_one_idea() {
    for (path, text) in sources("crates").into_iter().chain(sources("tests")) {
        assert!(text.starts_with("//! "), "{} opens without a sentence", path.display());
        let lines = without_tests(&text).lines().count();
        assert!(lines <= 420, "{}: {lines} lines", path.display());
        assert!(!matches!(
            path.file_stem().and_then(|stem| stem.to_str()),
            Some("utils" | "common" | "helpers" | "misc" | "manager")
        ));
    }
}
