//! Packages as the handle offers them: which versions are kept, and how they are switched unless
//! somebody says otherwise.
//!
//! Boundary: reads rows and settings; switching is `deployments.rs`'s.
//! Read first: [`Node::package_versions`], then [`Node::terms`].

use std::time::Duration;

use feel::Str;
use store::PackageRow;

use crate::deployment::{Strategy, Terms};
use crate::error::Error;
use crate::handle::Node;
use crate::packages::Prepared;

impl Node {
    /// The versions of packages that are kept, those that are not active too.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn package_versions(&self) -> Result<Vec<PackageRow>, Error> {
        Ok(self.inner.store.packages().await?)
    }

    /// Versions beyond those that are kept beside the active one, when these packages come.
    pub(crate) async fn versions_to_forget(
        &self,
        coming: &Prepared,
    ) -> Result<Vec<(Str, Str)>, Error> {
        let kept = self.values().versions_kept;
        let rows = self.package_versions().await?;
        let mut forgotten = Vec::new();
        for new in &coming.packages {
            let manifest = new.package.manifest();
            let (name, version) = (manifest.name.as_str(), manifest.version.to_string());
            let is_other = |row: &&PackageRow| *row.name == *name && *row.version != *version;
            let mut others: Vec<&PackageRow> = rows.iter().filter(is_other).collect();
            // The one that is active now is among them: it was used last.
            others.sort_by_key(|row| std::cmp::Reverse((row.active, row.at_ms)));
            let old = others.into_iter().skip(kept);
            forgotten.extend(old.map(|row| (row.name.clone(), row.version.clone())));
        }
        Ok(forgotten)
    }

    /// How a deployment is done whose caller says nothing, by the shared settings.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let values = self.values();
        Terms {
            timeout: Duration::from_millis(values.deployment_timeout_ms),
            auto_recover: values.auto_recover,
            policy: values.policy,
            strategy: if values.block_and_wait {
                Strategy::BlockAndWait
            } else {
                Strategy::SideBySide
            },
            allow_downgrade: false,
        }
    }
}
