//! Looking at a whole record, for people.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use fred::prelude::HashesInterface;

use super::Redis;
use super::link::Lane;
use crate::entry::Entry;
use crate::key::Key;
use crate::store::wire::{self, names as vary};
use crate::store::{Inspected, Place, Record, StoreError, VariantId};

/// The fields of a record, by name.
type Fields = HashMap<String, Bytes>;

impl Redis {
    /// Reads all of a record. What is not an entry is said to be none, and stays where it is: the next request removes
    /// and counts it.
    pub(super) async fn inspect(self: Arc<Self>, key: Key) -> Result<Inspected, StoreError> {
        self.ready().await?;
        let name = self.names.record(&key);
        // All variants of a key are more than a read has time for.
        let answer = self.link.call(Lane::Write, self.link.write_timeout, |client| async move {
            client.hgetall::<Fields, _>(name).await
        });
        match answer.await {
            Ok(fields) => {
                let leased = fields.contains_key("l");
                let (size, largest) = (fields.values().map(Bytes::len).sum(), self.packing.largest);
                let record = self.aside(size, move || record(fields, &key, largest)).await??;
                Ok(Inspected { record, place: Place::Shared, leased })
            }
            Err(fault) if fault.is_wrong_type() => Err(StoreError::Garbage),
            Err(fault) => Err(fault.into()),
        }
    }
}

fn record(mut fields: Fields, key: &Key, largest: usize) -> Result<Record, StoreError> {
    let Some(root) = fields.remove("r") else { return Ok(Record::Absent) };
    if !root.starts_with(vary::MAGIC) {
        return entry(root, fields.remove("b"), key, largest).map(Record::Single);
    }
    let names = vary::decode(&root).map_err(|_| StoreError::Garbage)?;
    let variants = fields.iter().filter_map(|(field, bytes)| {
        let hex = field.strip_prefix("v:")?;
        let (digest, body) = (blake3::Hash::from_hex(hex).ok()?, fields.get(&format!("b:{hex}")));
        Some(entry(bytes.clone(), body.cloned(), key, largest).map(|entry| (VariantId::new(*digest.as_bytes()), entry)))
    });
    let mut variants = variants.collect::<Result<Vec<_>, _>>()?;
    variants.sort_by_key(|(_, entry)| entry.meta().received_at);
    Ok(Record::Varied { names, variants })
}

fn entry(bytes: Bytes, body: Option<Bytes>, key: &Key, largest: usize) -> Result<Arc<Entry>, StoreError> {
    let read = || {
        let opened = wire::open(bytes, Some(key))?;
        let opened = match body {
            Some(body) if opened.lacks().is_some() => opened.with_body(body)?,
            _ => opened,
        };
        opened.entry(largest)
    };
    read().map(Arc::new).map_err(|_: wire::WireError| StoreError::Garbage)
}
