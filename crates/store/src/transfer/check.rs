//! Whether what is stored fits together.
//!
//! Boundary: looks, and changes nothing. The questions are in `sql/check.sql`, in words that both
//! databases understand; each answers how many rows are wrong, and one of them.
//! Read first: [`QUESTIONS`], then [`look`].   Tests: `tests/transfer.rs`

use engine::ids::{Address, InstanceKey};

use super::side::{Cell, Side};
use super::tables::{Kind, TABLES, Table};
use super::{Finding, Judge};
use crate::blobs::Blobs;
use crate::port::Error;
use crate::statement::named;
use crate::stored::{fetch, mark};

const CHECK: &str = include_str!("../sql/check.sql");

/// Which database a question is for.
#[derive(Clone, Copy, PartialEq)]
enum For {
    Both,
    Sqlite,
}

macro_rules! questions {
    ($($for:ident $table:literal $name:literal $what:literal),+ $(,)?) => {
        &[$((For::$for, $table, const { named(CHECK, $name) }, $what)),+]
    };
}

/// Each with its table, and what is wrong with the rows that it finds.
const QUESTIONS: &[(For, &str, &str, &str)] = questions! {
    Both "shards" "shards_in_order" "the numbers of the shards have gaps",
    Both "slots" "slots_complete" "there are shards, but not every slot has one",
    Both "slots" "slots_of_shards" "the slot belongs to a shard that is not there",
    Both "instances" "instances_state" "the state is unknown",
    Both "instances" "instances_without_snapshot" "it is active and has no snapshot",
    Both "instances" "instances_incidents" "the number of open incidents is another one",
    Both "instances" "instances_ended" "it has ended without a time, or the other way round",
    Both "snapshots" "snapshots_without_instance" "no active instance belongs to it",
    Both "shards" "keys_ahead" "the shard would give out keys that are in use",
    Both "audit" "audit_without_instance" "no instance belongs to it",
    Both "blocks" "blocks_without_instance" "no instance belongs to it",
    Both "incidents" "incidents_without_instance" "no active instance belongs to it",
    Both "entries" "entries_without_document" "its document is not there",
    Both "entries" "entries_state" "the state is unknown",
    Both "definitions" "definitions_without_resource" "its resource is not among the blobs",
    Both "packages" "packages_without_archive" "its archive is not among the blobs",
    Both "deployments" "deployments_state" "the state is unknown",
    Both "inbox" "inbox_of_shards" "it is for a shard that is not there",
    Both "requests" "requests_state" "the state is unknown, or does not fit to shard and instance",
    Both "tokens" "tokens_role" "the role is unknown",
    Sqlite "counts" "counts_differ" "counting the active instances gives another number",
    Sqlite "jobs_leased" "jobs_twice" "the job is ready and leased",
};

/// Everything that is wrong.
pub(super) async fn look(
    side: &Side,
    storage: Option<&Blobs>,
    judge: Judge<'_>,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    let is_sqlite = matches!(side, Side::Sqlite { .. });
    if is_sqlite {
        let kinds = [Kind::Text];
        for row in side.rows("PRAGMA integrity_check(20)", &[], &kinds).await? {
            if let Some(Cell::Text(text)) = row.first()
                && text != "ok"
            {
                findings.push(Finding::of("the file", text.clone()));
            }
        }
    }
    for (whom, table, sql, what) in QUESTIONS {
        if *whom == For::Sqlite && !is_sqlite {
            continue;
        }
        let rows = side.rows(sql, &[], &[Kind::Bigint, Kind::Text]).await?;
        let Some([Cell::Number(number), example]) = rows.first().map(Vec::as_slice) else {
            continue;
        };
        if *number > 0 {
            let example = match example {
                Cell::Text(example) => Some(example.clone()),
                Cell::Null | Cell::Number(_) | Cell::Bytes(_) => None,
            };
            findings.push(Finding {
                table,
                rows: number.cast_unsigned(),
                example,
                what: (*what).into(),
            });
        }
    }
    read_through(side, (storage, judge), &mut findings).await?;
    Ok(findings)
}

/// Reads every row of the tables that have addresses or values.
async fn read_through(
    side: &Side,
    (storage, judge): (Option<&Blobs>, Judge<'_>),
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    for table in TABLES.iter().filter(|of| of.name == "timers" || of.value().is_some()) {
        let mut after: Option<Vec<Cell>> = None;
        loop {
            let rows = side.page(table, after.as_deref()).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.clone());
            for mut row in rows {
                let read = match table.value().and_then(|at| row.get_mut(at)) {
                    Some(Cell::Bytes(value)) => put_back(storage, value).await?,
                    _ => Ok(()),
                };
                if let Err(what) = read.and_then(|()| judge_row(table, &row, judge)) {
                    let example = name_of(&row);
                    findings.push(Finding { example, ..Finding::of(table.name, what) });
                }
            }
        }
    }
    Ok(())
}

/// The value instead of a reference to it, or what is wrong with that.
async fn put_back(
    storage: Option<&Blobs>,
    value: &mut Vec<u8>,
) -> Result<Result<(), String>, Error> {
    if value.first() != Some(&mark::FIRST) {
        return Ok(Ok(()));
    }
    match fetch(storage, std::mem::take(value).into()).await {
        Ok(found) => *value = found.into(),
        Err(error @ (Error::Damaged { .. } | Error::Detached { .. } | Error::Foreign { .. })) => {
            return Ok(Err(error.to_string()));
        }
        Err(error) => return Err(error),
    }
    Ok(Ok(()))
}

fn judge_row(table: &Table, row: &[Cell], judge: Judge<'_>) -> Result<(), String> {
    let bytes = |at: usize| row.get(at).and_then(Cell::bytes).unwrap_or(&[]);
    let address_at = |at: usize| {
        Address::from_bytes(bytes(at)).ok_or_else(|| "the address cannot be read".to_owned())
    };
    match table.name {
        "snapshots" => {
            let key = row.first().and_then(Cell::number).unwrap_or(0).cast_unsigned();
            judge(&Address::Instance(InstanceKey(key)), bytes(1))
        }
        "aggregates" => judge(&address_at(1)?, bytes(2)),
        "timers" => address_at(2).map(drop),
        _ => Ok(()),
    }
}

/// The key of a row as people can look for it.
fn name_of(row: &[Cell]) -> Option<String> {
    Some(match row.first()? {
        Cell::Number(number) => number.to_string(),
        Cell::Text(text) => text.clone(),
        Cell::Null | Cell::Bytes(_) => return None,
    })
}
