//! Which storage belongs to which database.
//!
//! Boundary: decides before anything else is done with either. A directory on which nothing is
//! mounted, or the storage of another database, is found out here and not by the first value that
//! is missing.
//! Invariants: BON-1 no row refers to a storage before both know each other's number.
//! Read first: [`bind`].   Tests: `tests/stored.rs`

use crate::blobs::{self, Blobs};
use crate::cluster::{Bond, Cluster};
use crate::port::Error;

/// Why a store is not started with a storage, or without one.
#[derive(Debug, thiserror::Error)]
pub enum Unbound {
    /// Rows may refer to a storage, and none is given.
    #[error("the database has large values in a storage, and none is configured")]
    Missing,
    /// Rows may refer to another storage.
    #[error("`{place}` is not the storage of this database: {detail}")]
    Other {
        /// The storage.
        place: String,
        /// What was found.
        detail: String,
    },
    /// One of them cannot be used.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Makes sure that the store and the storage belong together, and ties them to each other the
/// first time. Cancel safe: what was begun is finished by the next call.
///
/// # Errors
/// [`Unbound::Missing`] if there is no storage and there was one, [`Unbound::Other`] if it is
/// another one, [`Unbound::Failed`] if it cannot be reached or written.
pub async fn bind(store: &dyn Cluster, storage: Option<&Blobs>) -> Result<(), Unbound> {
    let bond = store.bond(None).await?;
    let Some(blobs) = storage else {
        return match bond {
            Some(Bond::Made(_)) => Err(Unbound::Missing),
            Some(Bond::Wanted(_)) | None => Ok(()),
        };
    };
    blobs.check().await?;
    let other =
        |detail: &str| Unbound::Other { place: blobs.place().into(), detail: detail.into() };
    let wanted = match bond {
        Some(Bond::Made(number)) => {
            return match blobs.owner().await? {
                Some(owner) if owner == number => Ok(()),
                Some(_) => Err(other("it belongs to another database")),
                None => Err(other("it has nothing of any database")),
            };
        }
        Some(Bond::Wanted(number)) => number,
        None => {
            let wish = Bond::Wanted(blobs::random_number()?);
            match store.bond(Some(wish)).await? {
                Some(Bond::Wanted(number) | Bond::Made(number)) => number,
                None => return Err(Error::Closed.into()),
            }
        }
    };
    // BON-1: several servers may be here at the same time.
    if blobs.claim(wanted).await? != wanted {
        return Err(other("it belongs to another database"));
    }
    match store.bond(Some(Bond::Made(wanted))).await? {
        Some(Bond::Made(number)) if number == wanted => Ok(()),
        _ => Err(other("the database was tied to another one meanwhile")),
    }
}
