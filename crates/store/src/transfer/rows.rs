//! All rows of one database into another one, in order.
//!
//! Boundary: pages of rows; what becomes of a value that may be in a storage is said by a
//! [`Carrier`].
//! Read first: [`copy`].   Tests: `tests/transfer.rs`, `tests/backup.rs`

use super::Progress;
use super::side::{Cell, Side};
use super::tables::{TABLES, Table};
use crate::port::Error;
use crate::postgres::failure::failed;

/// Bytes of values that are written at once; a single value may be longer.
const BYTES_AT_ONCE: usize = 16 << 20;

/// What becomes of values on their way.
pub(super) trait Carrier {
    /// Looks at a value, and may replace it.
    async fn carry(&mut self, value: &mut Vec<u8>) -> Result<(), Error>;
}

/// They stay what they are.
pub(super) struct AsTheyAre;

impl Carrier for AsTheyAre {
    async fn carry(&mut self, _: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }
}

/// Makes sure that a store has nothing, and that no server has joined.
pub(super) async fn expect_empty(target: &Side) -> Result<(), Error> {
    if target.is_in_use().await? {
        return Err(Error::InUse { place: target.place() });
    }
    for table in TABLES {
        let rows = target.count(table).await?;
        if rows > 0 {
            let detail = format!("it is not empty: `{}` has {rows} rows", table.name);
            return Err(Error::Foreign { place: target.place(), detail });
        }
    }
    Ok(())
}

/// Copies the rows of all tables and counts them. Answers how many each has.
pub(super) async fn copy(
    source: &Side,
    target: &Side,
    carrier: &mut impl Carrier,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<(&'static str, u64)>, Error> {
    let mut copied = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let total = source.count(table).await?;
        let mut rows = 0;
        let mut after: Option<Vec<Cell>> = None;
        loop {
            let page = source.page(table, after.as_deref()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            rows += page.len() as u64;
            write(target, table, page, carrier).await?;
            progress(Progress { table: table.name, rows, total });
        }
        let found = target.count(table).await?;
        if (rows, found) != (total, total) {
            let detail = format!(
                "`{}` has {total} rows, {rows} were read and {found} are there",
                table.name
            );
            return Err(failed("copy to", &target.place(), detail));
        }
        copied.push((table.name, total));
    }
    Ok(copied)
}

async fn write(
    target: &Side,
    table: &Table,
    page: Vec<Vec<Cell>>,
    carrier: &mut impl Carrier,
) -> Result<(), Error> {
    let column = table.value();
    let mut ready = Vec::with_capacity(page.len());
    let mut bytes = 0;
    for mut row in page {
        if table.name == "shards" {
            forget_owner(&mut row);
        }
        if let Some(Cell::Bytes(value)) = column.and_then(|at| row.get_mut(at)) {
            carrier.carry(value).await?;
            bytes += value.len();
        }
        ready.push(row);
        if bytes > BYTES_AT_ONCE {
            target.add(table, &ready).await?;
            ready.clear();
            bytes = 0;
        }
    }
    if ready.is_empty() { Ok(()) } else { target.add(table, &ready).await }
}

/// A server has another key in another store. One that went without giving the shard back is known
/// as nobody: 0, so that the next owner learns of it.
fn forget_owner(row: &mut [Cell]) {
    if let Some(owner) = row.last_mut()
        && *owner != Cell::Null
    {
        *owner = Cell::Number(0);
    }
}
