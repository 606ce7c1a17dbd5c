//! Reads `[server.clients]`.

use super::Reader;
use crate::diagnostics::Problem;
use crate::entities::Clients;
use crate::file::ClientsTable;
use crate::key_path::KeyPath;

/// How long a head may be allowed to be: less, and no browser's would fit; more, and Pingora would not read it.
const HEADER_SIZES: std::ops::RangeInclusive<usize> = 1024..=1_000_000;

impl Reader {
    pub(super) fn clients(&mut self, table: ClientsTable) -> Clients {
        let clients = table.into_clients();
        let path = KeyPath::of(["server", "clients"]);
        let times = [
            ("header_timeout", clients.header_timeout),
            ("keepalive_timeout", clients.keepalive_timeout),
            ("body_timeout", clients.body_timeout),
        ];
        for (key, _) in times.iter().filter(|(_, time)| time.is_zero()) {
            self.problems.push(Problem::at(path.key(key), "nobody is as fast as that").help("write a time such as \"10s\""));
        }
        if !HEADER_SIZES.contains(&clients.max_header_size) {
            self.problems.push(Problem::at(path.key("max_header_size"), "must be from 1024 to 1000000 bytes"));
        }
        if clients.keepalive_requests == 0 {
            let problem = Problem::at(path.key("keepalive_requests"), "must be at least 1");
            self.problems.push(problem.help("write 1 to close connections after each request"));
        }
        clients
    }
}
