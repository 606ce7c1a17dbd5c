//! Changes become rows, and rows become what waits.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior, named_params, params};
use sluice_config::Hooks;
use uuid::Uuid;

use super::change::{Change, Entry, State};
use super::schema;
use super::trim;
use crate::job::unix_ms;
use crate::standing::Standing;

/// A delivery that an earlier process left.
pub(crate) struct Kept {
    pub hook: Uuid,
    pub seq: u64,
    pub id: String,
    pub source: String,
    pub event: String,
    pub data: String,
    pub count: u64,
    pub first_at: u64,
    pub last_at: u64,
    pub attempts: u32,
    pub due_at: Option<u64>,
}

/// The columns of [`Kept`], in its order.
pub(super) const KEPT: &str = "hook, seq, id, source, event, data, count, first_at, last_at, attempts, due_at";

impl Kept {
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            hook: Uuid::from_bytes(row.get(0)?),
            seq: unsigned(row.get(1)?),
            id: row.get(2)?,
            source: row.get(3)?,
            event: row.get(4)?,
            data: row.get(5)?,
            count: unsigned(row.get(6)?),
            first_at: unsigned(row.get(7)?),
            last_at: unsigned(row.get(8)?),
            attempts: row.get(9)?,
            due_at: row.get::<_, Option<i64>>(10)?.map(unsigned),
        })
    }
}

/// SQLite's integers have a sign, ours have none; none of ours is that large.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The file, open for writing.
pub(super) struct Database(Connection);

impl Database {
    pub fn open(dir: &Path) -> rusqlite::Result<Self> {
        schema::open(dir).map(Self)
    }

    /// What earlier processes left, in the order of arrival.
    pub fn waiting(&self) -> rusqlite::Result<Vec<Kept>> {
        let mut select = self.0.prepare(&format!("SELECT {KEPT} FROM deliveries WHERE state = 0 ORDER BY seq"))?;
        select.query_map([], Kept::read)?.collect()
    }

    /// How hooks stood.
    pub fn standings(&self) -> rusqlite::Result<Vec<(Uuid, Standing)>> {
        standings(&self.0)
    }

    /// The newest place that a row has.
    pub fn last_seq(&self) -> rusqlite::Result<u64> {
        self.0
            .query_row("SELECT max(seq) FROM deliveries", [], |row| row.get::<_, Option<i64>>(0))
            .map(|seq| unsigned(seq.unwrap_or(0)))
    }

    /// Writes all of them, or none.
    pub fn write(&mut self, changes: &[Change]) -> rusqlite::Result<()> {
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for change in changes {
            apply(&transaction, change)?;
        }
        transaction.commit()
    }

    /// Removes some of what is too old or too much; whether there is more of it.
    pub fn trim(&mut self, hooks: &Hooks) -> rusqlite::Result<bool> {
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let more = trim::some(&transaction, hooks)?;
        transaction.commit().map(|()| more)
    }
}

/// How hooks stood, for whoever looks in.
pub(super) fn standings(file: &Connection) -> rusqlite::Result<Vec<(Uuid, Standing)>> {
    let mut select = file.prepare("SELECT id, standing FROM hooks")?;
    let read = |row: &rusqlite::Row<'_>| Ok((Uuid::from_bytes(row.get(0)?), row.get::<_, String>(1)?));
    let all: Vec<(Uuid, String)> = select.query_map([], read)?.collect::<Result<_, _>>()?;
    Ok(all.into_iter().filter_map(|(id, json)| Some((id, serde_json::from_str(&json).ok()?))).collect())
}

fn apply(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::New(entry) => insert(transaction, entry),
        Change::Grown { seq, count, first_at, last_at } => run(
            transaction,
            "UPDATE deliveries SET count = ?2, first_at = ?3, last_at = ?4 WHERE seq = ?1",
            params![signed(*seq), signed(*count), signed(*first_at), signed(*last_at)],
        ),
        Change::Tried { seq, state, count, attempts, due_at, last } => run(
            transaction,
            "UPDATE deliveries SET state = :state, count = :count, attempts = :attempts, due_at = :due_at, ended_at = :ended_at,
                tries = coalesce(tries || ',', '') || :last, answer = :answer
             WHERE seq = :seq",
            named_params! {
                ":seq": signed(*seq),
                ":state": *state as u8,
                ":count": signed(*count),
                ":attempts": attempts,
                ":due_at": due_at.map(signed),
                ":ended_at": (*state != State::Waiting).then(|| signed(unix_ms())),
                ":last": last.to_json(),
                ":answer": last.answer_json(),
            },
        ),
        Change::Again { seq } => run(
            transaction,
            "UPDATE deliveries SET state = 0, attempts = 0, due_at = NULL, ended_at = NULL WHERE seq = ?1",
            params![signed(*seq)],
        ),
        Change::Gone { seq } => run(transaction, "DELETE FROM deliveries WHERE seq = ?1", params![signed(*seq)]),
        Change::AllDead { hook, reason } => run(
            transaction,
            "UPDATE deliveries SET state = 2, due_at = NULL, ended_at = ?2, tries = coalesce(tries || ',', '') || ?3
             WHERE hook = ?1 AND state = 0",
            params![hook.as_bytes(), signed(unix_ms()), crate::record::Try::none(reason).to_json()],
        ),
        Change::All { hook, waiting } => {
            // What is still there keeps the record of its tries: 3 is nobody's state.
            run(transaction, "UPDATE deliveries SET state = 3 WHERE hook = ?1 AND state = 0", params![hook.as_bytes()])?;
            waiting.iter().try_for_each(|entry| insert(transaction, entry))?;
            run(transaction, "DELETE FROM deliveries WHERE hook = ?1 AND state = 3", params![hook.as_bytes()])
        }
        Change::Standing { hook, standing } => run(
            transaction,
            "INSERT INTO hooks (id, standing) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET standing = excluded.standing",
            params![hook.as_bytes(), serde_json::to_string(standing).unwrap_or_default()],
        ),
        Change::NoHook { hook } => run(transaction, "DELETE FROM hooks WHERE id = ?1", params![hook.as_bytes()]),
        Change::Whole | Change::Flush(_) => Ok(()),
    }
}

fn insert(transaction: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<()> {
    run(
        transaction,
        "INSERT INTO deliveries (seq, id, hook, state, source, event, data, count, first_at, last_at, attempts, due_at)
         VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (seq) DO UPDATE SET state = 0, count = excluded.count, first_at = excluded.first_at,
            last_at = excluded.last_at, attempts = excluded.attempts, due_at = excluded.due_at, ended_at = NULL",
        params![
            signed(entry.seq),
            entry.id,
            entry.hook.as_bytes(),
            entry.source,
            entry.event,
            entry.data.to_text(),
            signed(entry.count),
            signed(entry.first_at),
            signed(entry.last_at),
            entry.attempts,
            entry.due_at.map(signed),
        ],
    )
}

fn run(transaction: &Transaction<'_>, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<()> {
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}
