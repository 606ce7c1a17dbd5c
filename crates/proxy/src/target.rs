//! The path that the upstream sees: Kong's `path_handling = "v0"`.

/// Joins the service's path and what is left of the request's. `prefix` is how much of `path` the route matched.
pub(crate) fn upstream_path(base: Option<&str>, path: &str, strip: bool, prefix: usize) -> String {
    let base = base.unwrap_or("/");
    let rest = if strip { path.get(prefix..).unwrap_or_default() } else { &path[1..] };
    let mut out = String::with_capacity(base.len() + rest.len() + 1);
    out.push_str(base);
    match (base.ends_with('/'), rest.starts_with('/')) {
        // Nothing is left: the upstream's path ends with a slash exactly if the request's does.
        (true, _) if rest.is_empty() => {
            if base.len() > 1 && !path.ends_with('/') {
                out.pop();
            }
        }
        (false, _) if rest.is_empty() => {
            if path.ends_with('/') {
                out.push('/');
            }
        }
        (true, true) => out.push_str(&rest[1..]),
        (true, false) | (false, true) => out.push_str(rest),
        (false, false) => {
            out.push('/');
            out.push_str(rest);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_kong_joins_them() {
        let check = |base: &str, prefix: &str, strip, path: &str, expected: &str| {
            assert_eq!(upstream_path(Some(base), path, strip, prefix.len()), expected, "{base} {prefix} {strip} {path}");
        };
        check("/srv", "/rou", false, "/roureq", "/srv/roureq");
        check("/srv", "/rou", true, "/roureq", "/srv/req");
        check("/", "/route", true, "/routereq", "/req");
        check("/service", "/route", true, "/route/", "/service/");
        check("/srv/", "/rou", true, "/rou", "/srv");
        check("/service/", "/route/", true, "/route/", "/service/");
        check("/", "/", true, "/", "/");
        check("/", "/demo", true, "/demo", "/");
        check("/anything", "/demo", true, "/demo", "/anything");
        check("/anything", "/demo", true, "/demo/a", "/anything/a");
        check("/anything", "/", false, "/", "/anything/");
    }
}
