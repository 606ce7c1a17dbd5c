//! Finds the route of a request, by the priorities of Kong's traditional router, in time that hardly grows with the routes.
//!
//! A route takes a request if all its conditions hold, and of each condition one of its values. Of those that do, first
//! comes the one with more kinds of conditions, then a plain host before a wildcard, then more headers, then a regular
//! expression (of the higher `regex_priority`) before a plain path, then the longer path. What is equal by all that goes by
//! the more telling conditions (hosts, headers, paths, methods, names of TLS, sources), then a host with a port, then the
//! order of the file. (`entry.rs` has the order, `choice.rs` the search.)

mod choice;
mod conditions;
mod entry;
mod hosts;
mod names;
mod parts;
mod prefixes;
mod split;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::ops::Range;

use http::{HeaderMap, Method};
use sluice_config::Route;

use choice::{Choice, Search};
use entry::{Beginning, Entry, entries_of};

/// What a request is matched by.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The host in lower case, without port.
    pub host: &'a str,
    /// The port that the host came with, or the protocol's own.
    pub port: u16,
    /// The normalised path.
    pub path: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Whether the connection is one of TLS.
    pub secure: bool,
    /// The name that the client asked for by TLS.
    pub sni: Option<&'a str>,
    /// The other end of the connection.
    pub peer: (IpAddr, u16),
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The position of the route in the list that the router was built from.
    pub route: usize,
    /// How much of the path the route's path took; none if the route has no paths.
    pub prefix: Option<usize>,
    /// Which of the router's entries it is.
    entry: u32,
}

/// All routes.
pub struct Router {
    /// In the order in which they are tried.
    entries: Vec<Entry>,
    tree: Choice,
}

impl Router {
    /// A router over the routes that are served, given with their positions.
    pub fn new<'a>(routes: impl Iterator<Item = (usize, &'a Route)>) -> Self {
        let mut entries: Vec<Entry> = routes.flat_map(|(position, route)| entries_of(position, route)).collect();
        entries.sort_by_key(|entry| entry.rank);
        Self { tree: choice::tree(&entries), entries }
    }

    /// The route of this request.
    pub fn find(&self, target: &Target<'_>) -> Option<Match> {
        let mut search = Search::new(&self.entries, target);
        self.tree.search(&mut search);
        search.found()
    }

    /// What the groups of the regular expression captured of the path that it matched: each with its name, if it has one.
    pub fn captures(&self, found: Match, path: &str) -> Vec<(Option<&str>, Option<Range<usize>>)> {
        match &self.entries[found.entry as usize].beginning {
            Beginning::Regex(_, pattern) if pattern.captures_anything() => pattern.captures(path),
            Beginning::Regex(..) | Beginning::Plain(_) | Beginning::Anything => Vec::new(),
        }
    }
}
