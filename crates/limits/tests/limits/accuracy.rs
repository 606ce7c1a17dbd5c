//! The replay of the example `accuracy`, in small.

use sluice_limits::{ALGORITHMS, Quota};

use super::{MINUTE, replay::replay, replay::trace};

#[test]
fn no_decision_of_a_replay_differs_from_its_definition() {
    let trace = trace(30_000, 300, MINUTE, 10);
    for algorithm in ALGORITHMS {
        let report = replay(algorithm, &Quota::new(60, MINUTE), &trace);
        assert_eq!(report.differences, 0, "{} {report:?}", algorithm.name);
        assert!(report.admitted > 10_000 && report.admitted < 25_000, "{} {report:?}", algorithm.name);
        let wrong = (report.wrongly_admitted > 0, report.wrongly_refused > 0);
        let expected = match algorithm.name {
            "exact" => (false, false),
            "sliding" => (true, true),
            _ => (true, false),
        };
        assert_eq!(wrong, expected, "{} {report:?}", algorithm.name);
        assert!(report.most <= if algorithm.name == "exact" { 60 } else { 120 }, "{} {report:?}", algorithm.name);
    }
}
