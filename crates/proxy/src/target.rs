//! The path that the upstream sees: Kong's `path_handling`, `v0` and `v1`.

use sluice_config::PathHandling;

/// How a route joins paths.
pub(crate) struct UpstreamPath {
    /// Whether what the route's path took is left out.
    pub strip: bool,
    pub handling: PathHandling,
}

impl UpstreamPath {
    /// Joins the service's path and the request's. `prefix` is how much of `path` the route's path took, if it has one.
    pub fn join(&self, base: Option<&str>, path: &str, prefix: Option<usize>) -> String {
        let base = base.unwrap_or("/");
        // Of a route without paths the slash that every path begins with is taken.
        let rest = if self.strip { without_dots(path.get(prefix.unwrap_or(1)..).unwrap_or_default()) } else { &path[1..] };
        match self.handling {
            PathHandling::V0 => self.join_by_slash(base, path, rest),
            PathHandling::V1 if self.strip && base.ends_with('/') && rest.starts_with('/') => joined(base, &rest[1..]),
            PathHandling::V1 => joined(base, rest),
        }
    }

    fn join_by_slash(&self, base: &str, path: &str, rest: &str) -> String {
        let base_ends = base.ends_with('/');
        if rest.is_empty() && path != "/" && base != "/" {
            // Nothing is left: the upstream's path ends with a slash exactly if the request's does.
            let end = if path.ends_with('/') { "/" } else { "" };
            return joined(base.strip_suffix('/').unwrap_or(base), end);
        }
        match (base_ends, rest.starts_with('/')) {
            _ if rest.is_empty() => base.to_owned(),
            (true, true) => joined(base, &rest[1..]),
            (true, false) | (false, true) => joined(base, rest),
            (false, false) => joined(base, &format!("/{rest}")),
        }
    }
}

fn joined(base: &str, rest: &str) -> String {
    let mut out = String::with_capacity(base.len() + rest.len() + 1);
    out.push_str(base);
    out.push_str(rest);
    out
}

/// A prefix may end within a segment, and leave dots that would step out of the service's path: they go with it.
fn without_dots(rest: &str) -> &str {
    let dots = ["..", "."].into_iter().find_map(|dots| rest.strip_prefix(dots));
    match dots {
        Some("") => "",
        Some(after) => after.strip_prefix('/').unwrap_or(rest),
        None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: [PathHandling; 2] = [PathHandling::V0, PathHandling::V1];

    fn join(base: &str, prefix: Option<&str>, strip: bool, handling: PathHandling, path: &str) -> String {
        UpstreamPath { strip, handling }.join(Some(base), path, prefix.map(str::len))
    }

    /// For every path of a service and a route: the request, then what `v0` and `v1` make of it with the prefix left in,
    /// and with the prefix left out.
    type Rows = &'static [(&'static str, [&'static str; 2], [&'static str; 2])];
    const TABLE: &[(&str, Option<&str>, Rows)] = &[
        ("/", Some("/"), &[("/", ["/", "/"], ["/", "/"]), ("/a/", ["/a/", "/a/"], ["/a/", "/a/"])]),
        (
            "/",
            Some("/route"),
            &[
                ("/route", ["/route", "/route"], ["/", "/"]),
                ("/route/", ["/route/", "/route/"], ["/", "/"]),
                ("/routereq", ["/routereq", "/routereq"], ["/req", "/req"]),
                ("/route/req", ["/route/req", "/route/req"], ["/req", "/req"]),
            ],
        ),
        (
            "/",
            Some("/route/"),
            &[("/route/", ["/route/", "/route/"], ["/", "/"]), ("/route/req", ["/route/req", "/route/req"], ["/req", "/req"])],
        ),
        (
            "/service",
            Some("/"),
            &[
                ("/", ["/service", "/service"], ["/service", "/service"]),
                ("/a", ["/service/a", "/servicea"], ["/service/a", "/servicea"]),
                ("/a/", ["/service/a/", "/servicea/"], ["/service/a/", "/servicea/"]),
            ],
        ),
        (
            "/service",
            Some("/route"),
            &[
                ("/route", ["/service/route", "/serviceroute"], ["/service", "/service"]),
                ("/route/", ["/service/route/", "/serviceroute/"], ["/service/", "/service/"]),
                ("/routereq", ["/service/routereq", "/serviceroutereq"], ["/service/req", "/servicereq"]),
                ("/route./req", ["/service/route./req", "/serviceroute./req"], ["/service/req", "/servicereq"]),
                ("/route../req", ["/service/route../req", "/serviceroute../req"], ["/service/req", "/servicereq"]),
                ("/route..", ["/service/route..", "/serviceroute.."], ["/service", "/service"]),
                ("/route.x", ["/service/route.x", "/serviceroute.x"], ["/service/.x", "/service.x"]),
            ],
        ),
        (
            "/service",
            Some("/route/"),
            &[
                ("/route/", ["/service/route/", "/serviceroute/"], ["/service/", "/service"]),
                ("/route/req", ["/service/route/req", "/serviceroute/req"], ["/service/req", "/servicereq"]),
            ],
        ),
        (
            "/service/",
            Some("/"),
            &[
                ("/", ["/service/", "/service/"], ["/service/", "/service/"]),
                ("/a", ["/service/a", "/service/a"], ["/service/a", "/service/a"]),
                ("/a/", ["/service/a/", "/service/a/"], ["/service/a/", "/service/a/"]),
            ],
        ),
        (
            "/service/",
            Some("/route"),
            &[
                ("/route", ["/service/route", "/service/route"], ["/service", "/service/"]),
                ("/route/", ["/service/route/", "/service/route/"], ["/service/", "/service/"]),
                ("/routereq", ["/service/routereq", "/service/routereq"], ["/service/req", "/service/req"]),
                ("/route../req", ["/service/route../req", "/service/route../req"], ["/service/req", "/service/req"]),
            ],
        ),
        (
            "/service/",
            Some("/route/"),
            &[
                ("/route/", ["/service/route/", "/service/route/"], ["/service/", "/service/"]),
                ("/route/req", ["/service/route/req", "/service/route/req"], ["/service/req", "/service/req"]),
            ],
        ),
        ("/", None, &[("/", ["/", "/"], ["/", "/"]), ("/a/", ["/a/", "/a/"], ["/a/", "/a/"])]),
        (
            "/service",
            None,
            &[
                ("/", ["/service", "/service"], ["/service", "/service"]),
                ("/a", ["/service/a", "/servicea"], ["/service/a", "/servicea"]),
                ("/a/", ["/service/a/", "/servicea/"], ["/service/a/", "/servicea/"]),
            ],
        ),
        (
            "/service/",
            None,
            &[
                ("/", ["/service/", "/service/"], ["/service/", "/service/"]),
                ("/a", ["/service/a", "/service/a"], ["/service/a", "/service/a"]),
            ],
        ),
    ];

    #[test]
    fn paths_are_joined_as_kong_joins_them() {
        for (base, prefix, rows) in TABLE {
            for (path, kept, stripped) in *rows {
                for (strip, expected) in [(false, kept), (true, stripped)] {
                    for (handling, expected) in BOTH.into_iter().zip(expected) {
                        let found = join(base, *prefix, strip, handling, path);
                        assert_eq!(found, *expected, "{base} {prefix:?} {path} strip {strip} {handling:?}");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_steps_out_of_the_path_of_the_service(path in "(/[a.]{1,4}){1,3}/?", length in 0_usize..8, strip: bool) {
            let path = sluice_config::normalise(&path).into_owned();
            let length = length.min(path.len());
            for handling in BOTH {
                let joined = UpstreamPath { strip, handling }.join(Some("/service"), &path, Some(length));
                prop_assert!(joined.starts_with("/service"), "{}", joined);
                prop_assert!(!joined.split('/').any(|segment| segment == ".." || segment == "."), "{}", joined);
            }
        }
    }
}
