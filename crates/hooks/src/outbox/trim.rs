//! Retention: of what is over, the outbox keeps what is young enough and not too much of each hook.

use rusqlite::{Transaction, params};
use sluice_config::Hooks;

use super::database::signed;
use crate::job::{first_seq_at, unix_ms};

/// How many rows leave at once: what waits to be written does not wait for long.
const AT_ONCE: usize = 1_000;

/// Removes some of what is too old or too much; whether there is more of it.
pub(super) fn some(transaction: &Transaction<'_>, hooks: &Hooks) -> rusqlite::Result<bool> {
    let oldest = unix_ms().saturating_sub(u64::try_from(hooks.retention.as_millis()).unwrap_or(u64::MAX));
    let mut removed = 0;
    for (hook, state) in groups(transaction)? {
        // The order of arrival is that of time.
        let from = first_seq_at(oldest).max(newest_beyond(transaction, &hook, state, hooks.retention_count)?);
        let sql = "DELETE FROM deliveries WHERE seq IN
            (SELECT seq FROM deliveries WHERE hook = ?1 AND state = ?2 AND seq < ?3 ORDER BY seq LIMIT ?4)";
        removed +=
            transaction.prepare_cached(sql)?.execute(params![hook, state, signed(from), signed((AT_ONCE - removed) as u64)])?;
        if removed >= AT_ONCE {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The hooks of which something is over, delivered ones and dead ones apart. The index is leapt through: a step a hook.
fn groups(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(Vec<u8>, u8)>> {
    let sql = "WITH RECURSIVE hooks (hook) AS (
            SELECT min(hook) FROM deliveries
            UNION ALL
            SELECT (SELECT min(hook) FROM deliveries WHERE hook > hooks.hook) FROM hooks WHERE hooks.hook IS NOT NULL
        )
        SELECT hook, state FROM hooks, (SELECT 1 AS state UNION ALL SELECT 2) WHERE hook IS NOT NULL";
    transaction.prepare_cached(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The place before which there are more than `count`; 0 if there are not.
fn newest_beyond(transaction: &Transaction<'_>, hook: &[u8], state: u8, count: u64) -> rusqlite::Result<u64> {
    let sql = "SELECT seq FROM deliveries WHERE hook = ?1 AND state = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ?3";
    let mut select = transaction.prepare_cached(sql)?;
    let mut rows = select.query(params![hook, state, signed(count)])?;
    Ok(match rows.next()? {
        Some(row) => super::database::unsigned(row.get(0)?) + 1,
        None => 0,
    })
}
