//! Whom a request is counted for.

use super::bench;
use crate::testing::Bench;

const OPTIONS: &str = "limit = [1]\nwindow_size = [60]\n";
const JOE_AND_ANN: &str = "[consumers.Joe]\ncustom_id = \"joe-1\"\n[consumers.Ann]\n[plugins.rate-limiting-advanced]\n";

#[test]
fn one_client_is_one_key_however_his_address_is_written() {
    let mut bench = bench("limit = [1]\nwindow_size = [60]\nidentifier = \"ip\"");
    let mut check = |ip: &str, admitted| assert_eq!(bench.ask("/", &[], ip).is_none(), admitted, "{ip}");
    check("192.0.2.1", true);
    check("::ffff:192.0.2.1", false);
    check("192.0.2.2", true);
    check("2001:db8::1", true);
    check("2001:db8::ffff:2", false);
    check("2001:db8:0:1::1", true);
}

#[test]
fn what_identifies_a_client_falls_back_to_his_address() {
    let options = "limit = [1]\nwindow_size = [60]\n";
    for identifier in ["ip", "consumer", "credential", "header", "path"] {
        let own = match identifier {
            "header" => "header_name = \"X-Tenant\"",
            "path" => "path = \"/one\"",
            _ => "",
        };
        let mut bench = bench(&format!("{options}identifier = \"{identifier}\"\n{own}"));
        assert!(bench.ask("/two", &[], "192.0.2.1").is_none());
        assert!(bench.ask("/three", &[], "192.0.2.1").is_some(), "{identifier}");
        assert!(bench.ask("/three", &[], "192.0.2.2").is_none(), "{identifier}");
    }
    let mut service = bench(&format!("{options}identifier = \"service\""));
    assert!(service.ask("/", &[], "192.0.2.1").is_none());
    assert!(service.ask("/", &[], "192.0.2.2").is_some());
}

#[test]
fn a_header_cannot_pose_as_an_address() {
    let mut bench = bench("limit = [1]\nwindow_size = [60]\nidentifier = \"header\"\nheader_name = \"X-Tenant\"");
    let bytes = String::from_utf8(vec![97, 98, 99, 100]).expect("text");
    assert!(bench.ask("/", &[("X-Tenant", &bytes)], "192.0.2.1").is_none());
    assert!(bench.ask("/", &[], "97.98.99.100").is_none());
}

#[test]
fn a_prefix_of_ipv6_is_one_client() {
    let check = |prefix: &str, other: &str, same: bool| {
        let mut bench = bench(&format!("{OPTIONS}identifier = \"ip\"\n{prefix}"));
        assert!(bench.ask("/", &[], "2001:db8:1:2:3::4").is_none());
        assert_eq!(bench.ask("/", &[], other).is_some(), same, "{prefix} {other}");
    };
    check("", "2001:db8:1:2:ffff::", true);
    check("", "2001:db8:1:3::", false);
    check("ipv6_prefix = 48", "2001:db8:1:ffff::", true);
    check("ipv6_prefix = 48", "2001:db8:2::", false);
    check("ipv6_prefix = 128", "2001:db8:1:2:3::4", true);
    check("ipv6_prefix = 128", "2001:db8:1:2:3::5", false);
    check("ipv6_prefix = 1", "7fff::", true);
    check("ipv6_prefix = 1", "8000::", false);
}

#[test]
fn a_credential_counts_by_itself_and_a_consumer_with_all_of_his() {
    let check = |identifier: &str, together: bool| {
        let mut bench = Bench::new(&format!("{JOE_AND_ANN}{OPTIONS}identifier = \"{identifier}\""));
        bench.identify("Joe", "key 1");
        assert!(bench.ask("/", &[], "192.0.2.1").is_none());
        assert!(bench.ask("/", &[], "192.0.2.2").is_some(), "{identifier}: whatever the address");
        bench.identify("Joe", "key 2");
        assert_eq!(bench.ask("/", &[], "192.0.2.1").is_some(), together, "{identifier}");
    };
    check("credential", false);
    check("consumer", true);
}

#[test]
fn a_route_counts_all_its_clients_together() {
    let mut bench = bench(&format!("{OPTIONS}identifier = \"route\""));
    assert!(bench.ask("/", &[], "192.0.2.1").is_none());
    assert!(bench.ask("/", &[], "192.0.2.2").is_some());
    bench.go_to(7);
    assert!(bench.ask("/", &[], "192.0.2.1").is_none());
}

#[test]
fn a_counter_key_that_a_consumer_lacks_is_his_address() {
    let check = |key: &str, consumer: &str, by_address: bool| {
        let mut bench = Bench::new(&format!("{JOE_AND_ANN}{OPTIONS}counter_key = \"{key}\""));
        bench.identify(consumer, "key 1");
        assert!(bench.ask("/", &[], "192.0.2.1").is_none());
        assert_eq!(bench.ask("/", &[], "192.0.2.2").is_none(), by_address, "{key} of {consumer}");
    };
    check("consumer.id", "Joe", false);
    check("consumer.username", "Joe", false);
    check("consumer.custom_id", "Joe", false);
    check("consumer.custom_id", "Ann", true);
}

#[test]
fn several_identifiers_make_one_key() {
    let options = "compound_identifier = [\"consumer\", \"header\"]\nheader_name = \"X-Tenant\"\nidentifier = \"service\"";
    let mut bench = Bench::new(&format!("{JOE_AND_ANN}{OPTIONS}{options}"));
    let mut check = |consumer: &str, tenant: &str, ip: &str, admitted: bool| {
        bench.identify(consumer, "key 1");
        assert_eq!(bench.ask("/", &[("X-Tenant", tenant)], ip).is_none(), admitted, "{consumer} {tenant} {ip}");
    };
    check("Joe", "a", "192.0.2.1", true);
    check("Joe", "a", "192.0.2.2", false);
    check("Joe", "b", "192.0.2.1", true);
    check("Ann", "a", "192.0.2.1", true);
    // Who is nobody counts by his address in the consumer's place.
    check("nobody", "a", "192.0.2.1", true);
    check("nobody", "a", "192.0.2.1", false);
    check("nobody", "a", "192.0.2.2", true);
}

#[test]
fn plugins_of_one_namespace_count_together() {
    let check = |first: &str, second: &str, together: bool| {
        let plugin = |place: &str, own: &str| {
            format!("[{place}plugins.rate-limiting-advanced]\nlimit = [1]\nidentifier = \"ip\"\n{own}\n")
        };
        let service = "[services.s]\nurl = \"http://127.0.0.1\"\n";
        let mut benches = Bench::all(&format!("{service}{}{}", plugin("services.s.", first), plugin("", second)));
        assert!(benches[0].ask("/", &[], "192.0.2.1").is_none());
        assert_eq!(benches[1].ask("/", &[], "192.0.2.1").is_some(), together, "{first} and {second}");
    };
    check("window_size = [60]\nnamespace = \"n\"", "window_size = [60]\nnamespace = \"n\"", true);
    check("window_size = [60]\nnamespace = \"n\"", "window_size = [60]\nnamespace = \"m\"", false);
    check("window_size = [60]\nnamespace = \"n\"", "window_size = [30]\nnamespace = \"n\"", false);
    check("window_size = [60]", "window_size = [60]", false);
    let compound = |list: &str| format!("window_size = [60]\nnamespace = \"n\"\ncompound_identifier = {list}");
    check(&compound("[\"ip\", \"route\"]"), &compound("[\"route\", \"ip\"]"), true);
    check(&compound("[\"ip\", \"route\"]"), &compound("[\"ip\", \"service\"]"), false);
}

#[test]
fn plugins_of_one_namespace_have_limits_of_their_own_on_one_count() {
    let plugin = |place: &str, limit: u64| {
        format!("[{place}plugins.rate-limiting-advanced]\nlimit = [{limit}]\nwindow_size = [60]\nnamespace = \"n\"\n")
    };
    let service = "[services.s]\nurl = \"http://127.0.0.1\"\n";
    let mut benches = Bench::all(&format!("{service}{}{}", plugin("services.s.", 2), plugin("", 4)));
    let mut admitted = |bench: usize, expected: usize| {
        let admitted = (0..6).filter(|_| benches[bench].ask("/", &[], "192.0.2.1").is_none()).count();
        assert_eq!(admitted, expected);
    };
    admitted(0, 2);
    admitted(1, 2);
    admitted(0, 0);
}

#[test]
fn who_is_limited_is_remembered_by_name() {
    let check_from = |ip: &str, identity: &str, expected: &str| {
        let mut bench = Bench::new(&format!("{JOE_AND_ANN}{OPTIONS}{identity}"));
        bench.identify("Joe", "key 1");
        (0..2).for_each(|_| drop(bench.ask("/", &[("X-Tenant", &"a".repeat(100))], ip)));
        let limits = bench.limiters.limits();
        assert_eq!(limits.len(), 1);
        let limited: Vec<String> = limits[0].clients(0..10).into_iter().map(|client| client.name).collect();
        assert_eq!((limits[0].path(), limited), ("plugins.rate-limiting-advanced", vec![expected.to_owned()]));
    };
    check_from("2001:db8:1:2:3::4", "identifier = \"ip\"\nipv6_prefix = 48", "ip 2001:db8:1::/48");
    let check = |identity: &str, expected: &str| check_from("::ffff:192.0.2.1", identity, expected);
    check("", "consumer Joe");
    check("counter_key = \"consumer.custom_id\"", "custom_id joe-1");
    check("identifier = \"ip\"", "ip 192.0.2.1");
    check("identifier = \"route\"", "route demo");
    check("identifier = \"header\"\nheader_name = \"X-Tenant\"", &format!("header {}", "a".repeat(64)));
    check("compound_identifier = [\"service\", \"consumer\", \"credential\"]", "consumer Joe, credential key 1, service demo");
}
