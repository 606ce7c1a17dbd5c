//! What SECURITY.md says, held to the code: the tests that it names are there, no crate may be unsafe, and no dependency is
//! older than it says.

use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The rows of the table whose first column has this head.
fn rows(head: &str) -> Vec<Vec<String>> {
    let text = read("SECURITY.md");
    let table = text.lines().skip_while(|line| !line.starts_with(&format!("| {head} |"))).skip(2);
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = table.take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!rows.is_empty(), "there is no table of {head}");
    rows
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_tests_that_are_named_are_there() {
    let folders = ["crates", "tests"].map(crate::architecture::sources);
    let code: String = folders.into_iter().flatten().map(|(_, text)| text).collect();
    for row in rows("attack") {
        let (tests, fuzz) = row[2].split_once("fuzz").unwrap_or((&row[2], ""));
        for name in quoted(tests) {
            assert!(code.contains(&format!("fn {name}(")), "there is no test {name}");
        }
        for name in quoted(fuzz) {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/targets/{name}.rs")).exists(), "{name}");
        }
    }
}

#[test]
fn no_crate_may_be_unsafe() {
    let root: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    assert_eq!(root["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    let members = root["workspace"]["members"].as_array().unwrap().iter().map(|member| member.as_str().unwrap());
    for member in members.chain(["."]) {
        let manifest: toml::Table = toml::from_str(&read(&format!("{member}/Cargo.toml"))).unwrap();
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{member}");
    }
}

#[test]
fn no_dependency_is_older_than_what_fixed_it() {
    let lock: toml::Table = toml::from_str(&read("Cargo.lock")).unwrap();
    let packages = lock["package"].as_array().unwrap();
    let parts = |version: &str| version.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    for row in rows("advisory") {
        let [advisory, name, _, fixed, here] = row.try_into().unwrap();
        let versions: Vec<&str> =
            packages.iter().filter(|p| p["name"].as_str() == Some(&name)).filter_map(|p| p["version"].as_str()).collect();
        assert_eq!(versions, [here.as_str()], "{name}: SECURITY.md says another version");
        assert!(parts(&here) >= parts(&fixed), "{name} {here} has {advisory}");
    }
}
