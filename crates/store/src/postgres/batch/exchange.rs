//! Columns for what more than one shard or server looks at.
//!
//! Boundary: a notification makes every commit wait for its turn, so it is sent only for what
//! others have to do something about.
//! Read first: [`Batch::exchange`].   Tests: `conformance/exchange.rs`, `conformance/packages.rs`

use engine::ids::{InstanceKey, ShardId};

use super::super::session::{Write, values};
use super::super::text::encode;
use super::{Batch, Last, Of, columns, each, last, number};
use crate::deployments::are_told;
use crate::statement::named;
use crate::unit::{
    DefinitionRow, LetterKey, LockRow, PackageRow, RequestRow, RequestState, TokenRow,
};

const CLUSTER: &str = include_str!("../../sql/cluster.postgres.sql");
const EXCHANGE: &str = include_str!("../../sql/exchange.postgres.sql");
const PACKAGES: &str = include_str!("../../sql/packages.postgres.sql");

impl<'u> Batch<'u> {
    pub(super) fn exchange(&mut self, group: &[Of<'u>], channel: &'u str) {
        self.letters(group);
        self.requests(group);
        self.locks(group);
        self.tokens(group);
        self.packages(group);
        let slots = each(group, |unit| &unit.slots)
            .map(|(_, (slot, shard))| (i32::from(*slot), Some(number(*shard))));
        self.add(
            const { named(CLUSTER, "put_slots") },
            &last(slots).put,
            |rows| columns!(rows, (slot, shard) => *slot, *shard),
        );
        self.tell(group, channel);
    }

    /// Of each unit what it sends, then what it has dealt with.
    fn letters(&mut self, group: &[Of<'u>]) {
        let letters = group.iter().flat_map(|(shard, unit)| {
            let place = |to: ShardId, key: LetterKey| {
                (number(to), number(key.from), key.sequence, key.index)
            };
            let sent = unit.sent.iter();
            let sent = sent.map(move |letter| (place(letter.to, letter.key), Some(letter)));
            let received = unit.received.iter();
            sent.chain(received.map(move |key| (place(*shard, *key), None)))
        });
        let Last { put, gone } = last(letters);
        self.add(const { named(EXCHANGE, "send") }, &put, |rows| {
            columns!(rows, ((to, from, sequence, index), letter) =>
                *to, *from, sequence.cast_signed(), i64::from(*index), &*letter.content)
        });
        self.add(const { named(EXCHANGE, "receive") }, &gone, |rows| {
            columns!(rows, (to, from, sequence, index) =>
                *to, *from, sequence.cast_signed(), i64::from(*index))
        });
    }

    fn requests(&mut self, group: &[Of<'u>]) {
        let requests =
            each(group, |unit| &unit.requests).map(|(_, (key, row))| (key.to_i64(), row.as_ref()));
        let Last { put, gone } = last::<_, &RequestRow>(requests);
        self.add(const { named(EXCHANGE, "put_requests") }, &put, |rows| {
            columns!(rows, (key, row) =>
                *key,
                encode(&row.process),
                &*row.variables,
                row.state as i16,
                row.at_ms,
                row.due_ms,
                row.shard.map(number),
                row.instance.map(InstanceKey::to_i64),
                row.reason.as_deref().map(encode),
                row.ended_ms,
            )
        });
        self.add(
            const { named(EXCHANGE, "delete_requests") },
            &gone,
            |rows| columns!(rows, key => *key),
        );
    }

    fn locks(&mut self, group: &[Of<'u>]) {
        let locks =
            each(group, |unit| &unit.locks).map(|(_, (name, row))| (encode(name), row.as_ref()));
        let Last { put, gone } = last::<_, &LockRow>(locks);
        self.add(const { named(EXCHANGE, "put_locks") }, &put, |rows| {
            columns!(rows, (name, row) =>
                name.clone(),
                encode(&row.holder),
                row.instance.map(InstanceKey::to_i64),
                row.fence.cast_signed(),
                row.since_ms,
                i64::from(row.waiting),
            )
        });
        self.add(
            const { named(EXCHANGE, "delete_locks") },
            &gone,
            |rows| columns!(rows, name => name.clone()),
        );
    }

    fn tokens(&mut self, group: &[Of<'u>]) {
        let tokens =
            each(group, |unit| &unit.tokens).map(|(_, (name, row))| (encode(name), row.as_ref()));
        let Last { put, gone } = last::<_, &TokenRow>(tokens);
        self.add(const { named(EXCHANGE, "put_tokens") }, &put, |rows| {
            columns!(rows, (name, row) =>
                name.clone(), encode(&row.hash), row.role as i16, row.created_ms, row.expires_ms)
        });
        self.add(
            const { named(EXCHANGE, "delete_tokens") },
            &gone,
            |rows| columns!(rows, name => name.clone()),
        );
    }

    /// What deployments bring, and settings.
    fn packages(&mut self, group: &[Of<'u>]) {
        let definitions =
            each(group, |unit| &unit.definitions).map(|(_, row)| (row.key.to_i64(), Some(row)));
        let put = last::<_, &DefinitionRow>(definitions).put;
        self.add(const { named(PACKAGES, "put_definitions") }, &put, |rows| {
            columns!(rows, (key, row) =>
                *key,
                encode(&row.process),
                i64::from(row.version),
                encode(&row.package),
                encode(&row.package_version),
                encode(&row.resource),
                encode(&row.digest),
                row.deployment.cast_signed(),
                row.enabled,
                row.at_ms,
            )
        });
        let packages = group.iter().flat_map(|(_, unit)| {
            let place = |name, version| (encode(name), encode(version));
            let put = unit.packages.iter();
            let put = put.map(move |row| (place(&row.name, &row.version), Some(row)));
            let gone = unit.packages_forgotten.iter();
            put.chain(gone.map(move |(name, version)| (place(name, version), None)))
        });
        let Last { put, gone } = last::<_, &PackageRow>(packages);
        self.add(const { named(PACKAGES, "put_packages") }, &put, |rows| {
            columns!(rows, ((name, version), row) =>
                name.clone(),
                version.clone(),
                encode(&row.digest),
                row.active,
                row.disabled,
                encode(&row.note),
                row.at_ms,
            )
        });
        self.add(
            const { named(PACKAGES, "delete_packages") },
            &gone,
            |rows| columns!(rows, (name, version) => name.clone(), version.clone()),
        );
        let blobs = each(group, |unit| &unit.blobs)
            .map(|(_, (digest, content))| (encode(digest), Some(&**content)));
        self.add(
            const { named(PACKAGES, "put_blobs") },
            &last::<_, &[u8]>(blobs).put,
            |rows| columns!(rows, (digest, content) => digest.clone(), *content),
        );
        let settings = each(group, |unit| &unit.settings)
            .map(|(_, (name, value))| (encode(name), value.as_deref().map(encode)));
        let Last { put, gone } = last(settings);
        self.add(
            const { named(PACKAGES, "put_settings") },
            &put,
            |rows| columns!(rows, (name, value) => name.clone(), value.clone()),
        );
        self.add(
            const { named(PACKAGES, "delete_settings") },
            &gone,
            |rows| columns!(rows, name => name.clone()),
        );
    }

    /// Counts what all servers have to hear of, and wakes them.
    fn tell(&mut self, group: &[Of<'u>], channel: &'u str) {
        let has = |list: fn(&Of<'u>) -> bool| group.iter().any(list);
        let mut grown = Vec::new();
        if has(|(_, unit)| unit.changes_catalog()) {
            grown.push("catalog");
        }
        if has(|(_, unit)| !unit.settings.is_empty() || !unit.tokens.is_empty()) {
            grown.push("settings");
        }
        if has(|(_, unit)| !unit.slots.is_empty()) {
            grown.push("slots");
        }
        if has(|(_, unit)| are_told(&unit.deployments)) {
            grown.push("deployments");
        }
        let is_asked = each(group, |unit| &unit.requests).any(|(_, (_, row))| {
            row.as_ref().is_some_and(|row| row.state == RequestState::Waiting)
        });
        if !grown.is_empty() || is_asked {
            let sql = const { named(CLUSTER, "notify") };
            self.writes.push(Write { sql, values: values![channel] });
        }
        if !grown.is_empty() {
            let sql = const { named(CLUSTER, "raise") };
            self.writes.push(Write { sql, values: values![grown] });
        }
    }
}
