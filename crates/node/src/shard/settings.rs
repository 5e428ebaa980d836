//! Shared settings: changed here, in the home shard, and taken over by every shard.
//!
//! Boundary: what a value must be stands in `cluster/settings.rs`; SET-1 holds here, because no
//! other place writes settings. What maintenance mode holds up is in `maintenance.rs`.
//! Read first: [`Shard::change_settings`].

use std::collections::BTreeMap;

use feel::Str;
use store::TokenRow;

use crate::cluster::settings::{self, Stored, Values};
use crate::error::Error;
use crate::input::{MissedStart, Mode, Setting};

use super::Shard;

/// What is stored for each setting, by this shard's newest decision.
pub(super) type Rows = BTreeMap<Str, Str>;

/// What is to be set.
struct Set {
    changes: Vec<Setting>,
    by: Str,
    mode: Mode,
    /// The servers that are there, and the newest format that each one writes.
    formats: Vec<(Str, u32)>,
}

impl Shard {
    /// Keeps tokens and forgets others: all of it or nothing. Asked twice, it is the same.
    pub(super) async fn change_tokens(
        &mut self,
        changes: Vec<(Str, Option<TokenRow>)>,
    ) -> Result<Result<(), Error>, Error> {
        let mut known = match self.tokens.take() {
            Some(known) => known,
            None => {
                let rows = self.store.tokens().await?;
                rows.into_iter().map(|(name, row)| (name, row.hash)).collect()
            }
        };
        let refused = changes.iter().find_map(|(name, row)| match (row, known.get(name)) {
            (Some(row), Some(hash)) if row.hash != *hash => {
                let detail = format!("there is a token `{name}` already");
                Some(Error::Exists { detail })
            }
            (None, None) => Some(Error::not_found("token", name)),
            _ => None,
        });
        if refused.is_none() {
            for (name, row) in &changes {
                match row {
                    Some(row) => known.insert(name.clone(), row.hash.clone()),
                    None => known.remove(name),
                };
            }
            self.batch.changes += 1;
            self.batch.unit.tokens.extend(changes);
        }
        self.tokens = Some(known);
        Ok(refused.map_or(Ok(()), Err))
    }

    /// Changes settings: all of them or none.
    pub(super) async fn change_settings(
        &mut self,
        changes: Vec<Setting>,
        by: Str,
        mode: Mode,
    ) -> Result<Result<Vec<MissedStart>, Error>, Error> {
        let before = match self.settings_planned.take() {
            Some(rows) => rows,
            None => self.store.settings().await?.into_iter().collect(),
        };
        let formats = (self.store.pulse().await?.members.into_iter())
            .map(|member| (member.about.name, member.about.format_max))
            .collect();
        let set = Set { changes, by, mode, formats };
        match self.changed(&before, set) {
            Ok((after, values)) => {
                self.write_settings(&before, &after);
                self.settings_planned = Some(after);
                let is_over = self.settings.maintenance.is_some() && !values.is_maintained;
                if is_over {
                    return Ok(Ok(self.end_maintenance(values.missed).await?));
                }
                Ok(Ok(Vec::new()))
            }
            Err(refused) => {
                self.settings_planned = Some(before);
                Ok(Err(refused))
            }
        }
    }

    /// What would be stored, if all of it may be.
    fn changed(&self, before: &Rows, set: Set) -> Result<(Rows, Values), Error> {
        let Set { changes, by, mode, formats } = set;
        let mut after = before.clone();
        for Setting { name, value } in changes {
            settings::known(&name)?;
            match value {
                None => drop(after.remove(&name)),
                Some(value) => {
                    settings::check(&name, &value)?;
                    let stored = before.get(&name).map(|row| Stored::read(row));
                    // What is as wanted keeps its moment.
                    let is_kept = match mode {
                        Mode::Set => stored.is_some_and(|stored| stored.value == value),
                        Mode::Seed => stored.is_some(),
                    };
                    if !is_kept {
                        let row = Stored { value, at_ms: self.now_ms, by: by.clone() };
                        after.insert(name, row.write());
                    }
                }
            }
        }
        let as_rows = |rows: &Rows| rows.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        let was = self.shared.understand(as_rows(before));
        let is = self.shared.understand(as_rows(&after));
        settings::check_together(&is.values)?;
        if was.values.format != is.values.format {
            // Of all that are there now: one that has just joined is not in the table yet.
            let able = formats.iter().map(|(name, most)| (&**name, *most));
            settings::check_format(was.values.format, is.values.format, able)?;
        }
        Ok((after, is.values))
    }

    fn write_settings(&mut self, before: &Rows, after: &Rows) {
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        let mut rows: Vec<(Str, Option<Str>)> = gone.map(|name| (name.clone(), None)).collect();
        let put = after.iter().filter(|(name, row)| before.get(*name) != Some(row));
        rows.extend(put.map(|(name, row)| (name.clone(), Some(row.clone()))));
        if !rows.is_empty() {
            self.batch.changes += 1;
            self.batch.unit.settings.extend(rows);
        }
    }

    /// Takes over what is in force on this server now, between two batches.
    pub(super) fn adopt_settings(&mut self) {
        let was_maintained = self.settings.maintenance.is_some();
        self.settings = self.settings_changes.latest().settings.clone();
        self.inbox_ms = self.inbox_ms.min(self.now_ms.saturating_add(self.settings.inbox_ms));
        self.claim_ms = self.claim_ms.min(self.now_ms.saturating_add(self.settings.requests_ms));
        self.give_ms = self.now_ms;
        if was_maintained && self.settings.maintenance.is_none() {
            self.resume();
        }
    }
}
