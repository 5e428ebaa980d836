//! Which values of a unit may be large.
//!
//! Boundary: every field with bytes but the details of deployments, which are also written by who
//! holds no shard, and no other.
//! Read first: [`values`].

use bytes::Bytes;

use crate::unit::Unit;

/// The values of a unit that are bytes to the store.
pub(super) fn values(unit: &mut Unit) -> impl Iterator<Item = &mut Bytes> {
    let Unit { aggregates, audit, documents, blobs, sent, requests, .. } = unit;
    let snapshots = aggregates.iter_mut().filter_map(|change| change.snapshot.as_mut());
    let records = audit.iter_mut().map(|audit| &mut audit.records);
    let documents = documents.iter_mut().filter_map(|(_, row)| Some(&mut row.as_mut()?.content));
    let blobs = blobs.iter_mut().map(|(_, content)| content);
    let letters = sent.iter_mut().map(|letter| &mut letter.content);
    let variables = requests.iter_mut().filter_map(|(_, row)| Some(&mut row.as_mut()?.variables));
    snapshots.chain(records).chain(documents).chain(blobs).chain(letters).chain(variables)
}
