//! Writes documents, queues, published ids, and what deployments bring.
//!
//! Boundary: rows of one kind at a time.
//! Read first: [`Documents::write`].   Tests: `conformance`

use engine::ids::{DocumentKey, EntryKey, InstanceKey, ShardId};
use rusqlite::Connection;

use super::super::statement::statements;
use crate::keys;
use crate::unit::{DefinitionRow, DocumentRow, EntryRow, PackageRow, Unit};

/// Writes what does not belong to one instance.
pub(super) struct Documents<'c> {
    queues: Queues<'c>,
    packages: Packages<'c>,
}

statements!(Queues from "documents" {
    put, delete, put_entry, delete_entry, put_seen, forget_seen, forget_delivered,
});
statements!(Packages from "packages" {
    put_definition, put_package, delete_package, put_blob, put_setting, delete_setting,
});

impl<'c> Documents<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self { queues: Queues::prepare(connection)?, packages: Packages::prepare(connection)? })
    }

    pub(super) fn write(&mut self, shard: ShardId, unit: &Unit) -> rusqlite::Result<()> {
        for (key, row) in &unit.documents {
            self.queues.write_document(*key, row.as_ref())?;
        }
        for (key, row) in &unit.entries {
            self.queues.write_entry(*key, row.as_ref())?;
        }
        for seen in &unit.seen {
            let values = (&*seen.source, &*seen.id, seen.document.to_i64(), seen.at_ms);
            self.queues.put_seen.execute(values)?;
        }
        if let Some(before_ms) = unit.seen_before_ms {
            let (first, last) = keys::bounds(Some(shard));
            self.queues.forget_seen.execute((before_ms, first, last))?;
            self.queues.forget_delivered.execute((before_ms, first, last))?;
        }
        for row in &unit.definitions {
            self.packages.write_definition(row)?;
        }
        for row in &unit.packages {
            self.packages.write_package(row)?;
        }
        for (name, version) in &unit.packages_forgotten {
            self.packages.delete_package.execute((&**name, &**version))?;
        }
        for (digest, content) in &unit.blobs {
            self.packages.put_blob.execute((&**digest, &**content))?;
        }
        for (name, value) in &unit.settings {
            match value {
                Some(value) => self.packages.put_setting.execute((&**name, &**value))?,
                None => self.packages.delete_setting.execute([&**name])?,
            };
        }
        Ok(())
    }
}

impl Queues<'_> {
    fn write_document(
        &mut self,
        key: DocumentKey,
        row: Option<&DocumentRow>,
    ) -> rusqlite::Result<()> {
        match row {
            Some(row) => self.put.execute((
                key.to_i64(),
                &*row.document_type,
                &*row.id,
                &*row.source,
                row.at_ms,
                &*row.content,
            )),
            None => self.delete.execute([key.to_i64()]),
        }
        .map(drop)
    }

    fn write_entry(&mut self, key: EntryKey, row: Option<&EntryRow>) -> rusqlite::Result<()> {
        match row {
            Some(row) => self.put_entry.execute((
                key.to_i64(),
                &*row.trigger,
                row.document.to_i64(),
                row.state as u8,
                row.attempts,
                row.due_ms,
                row.instance.map(InstanceKey::to_i64),
                row.reason.as_deref(),
            )),
            None => self.delete_entry.execute([key.to_i64()]),
        }
        .map(drop)
    }
}

impl Packages<'_> {
    fn write_package(&mut self, row: &PackageRow) -> rusqlite::Result<()> {
        self.put_package
            .execute((
                &*row.name,
                &*row.version,
                &*row.digest,
                row.active,
                row.disabled,
                &*row.note,
                row.at_ms,
            ))
            .map(drop)
    }

    fn write_definition(&mut self, row: &DefinitionRow) -> rusqlite::Result<()> {
        self.put_definition
            .execute((
                row.key.to_i64(),
                &*row.process,
                row.version,
                &*row.package,
                &*row.package_version,
                &*row.resource,
                &*row.digest,
                row.deployment.cast_signed(),
                row.enabled,
                row.at_ms,
            ))
            .map(drop)
    }
}
