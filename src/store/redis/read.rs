//! Reading one key. Whatever lies there ends in an entry, in nothing, or in [`StoreError::Garbage`], and then it is gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use fred::prelude::{HashesInterface, Value};

use super::Redis;
use super::large::patience;
use super::link::Lane;
use super::record::hex;
use crate::key::Key;
use crate::store::wire::{self, WireError, names as vary};
use crate::store::{Found, StoreError, VariantId};

/// Why what lies in a field is no entry.
enum Misfit {
    Envelope(WireError),
    /// The body that lies apart is not there, or another.
    Body(WireError),
    /// It could not be looked at.
    Unread(StoreError),
}

impl Redis {
    /// Reads the root of a key, or a variant.
    pub(super) async fn read_record(
        self: Arc<Self>,
        key: Key,
        variant: Option<VariantId>,
    ) -> Result<Found, StoreError> {
        self.ready().await?;
        match variant {
            None => self.read(&key, "r", "b").await,
            Some(id) => {
                let id = hex(&id);
                self.read(&key, &format!("v:{id}"), &format!("b:{id}")).await
            }
        }
    }

    async fn read(self: &Arc<Self>, key: &Key, field: &str, body: &str) -> Result<Found, StoreError> {
        /// What is replaced as often as this while it is read is as good as not there.
        const TRIES: usize = 3;
        let mut before = None;
        for _ in 0..TRIES {
            let Some(envelope) = self.field(key, field, Lane::Read, 0).await? else { return Ok(Found::Absent) };
            match self.found(key, envelope.clone(), body).await {
                Ok(found) => return Ok(found),
                Err(Misfit::Unread(error)) => return Err(error),
                Err(Misfit::Envelope(why)) => return self.refuse(key, why).await,
                // A store may have come between the two reads. It has left another envelope then.
                Err(Misfit::Body(_)) if before.as_ref() != Some(&envelope) => before = Some(envelope),
                Err(Misfit::Body(why)) => return self.refuse(key, why).await,
            }
        }
        Ok(Found::Absent)
    }

    /// What an envelope, or a list of `Vary` names, stands for.
    async fn found(self: &Arc<Self>, key: &Key, root: Bytes, body: &str) -> Result<Found, Misfit> {
        if root.starts_with(vary::MAGIC) {
            return vary::decode(&root).map(Found::Varied).map_err(Misfit::Envelope);
        }
        let opened = wire::open(root, Some(key)).map_err(Misfit::Envelope)?;
        let (work, largest) = (opened.work(), self.packing.largest);
        let Some(length) = opened.lacks() else {
            let entry = self.aside(work, move || opened.entry(largest)).await.map_err(Misfit::from)?;
            return entry.map(|entry| Found::Entry(Arc::new(entry))).map_err(Misfit::Envelope);
        };
        let body = self.field(key, body, Lane::Large, length).await.map_err(Misfit::Unread)?;
        let body = body.ok_or(Misfit::Body(WireError::Apart))?;
        let entry = self.aside(work, move || opened.with_body(body)?.entry(largest)).await.map_err(Misfit::from)?;
        entry.map(|entry| Found::Entry(Arc::new(entry))).map_err(Misfit::Body)
    }

    /// Reads a field of about so many bytes.
    async fn field(
        self: &Arc<Self>,
        key: &Key,
        field: &str,
        lane: Lane,
        length: usize,
    ) -> Result<Option<Bytes>, StoreError> {
        let (name, field) = (self.names.record(key), field.to_owned());
        let limit = self.link.read_timeout + patience(length);
        let answer = self.link.call(lane, limit, |client| async move { client.hget::<Value, _, _>(name, field).await });
        match answer.await {
            Ok(Value::Bytes(bytes)) => Ok(Some(bytes)),
            Ok(Value::String(text)) => Ok(Some(text.into_inner())),
            Ok(Value::Null) => Ok(None),
            Ok(_) => Ok(Some(Bytes::new())),
            Err(fault) if fault.is_wrong_type() => {
                self.discard(key).await;
                Err(StoreError::Garbage)
            }
            Err(fault) => Err(fault.into()),
        }
    }

    async fn refuse(self: &Arc<Self>, key: &Key, why: WireError) -> Result<Found, StoreError> {
        tracing::debug!(%key, %why, "removing what is not an entry");
        self.discard(key).await;
        Err(StoreError::Garbage)
    }

    /// Removes what proved to be no entry. That it fails leaves it to the next reader.
    pub(super) async fn discard(self: &Arc<Self>, key: &Key) {
        self.garbage.fetch_add(1, Ordering::Relaxed);
        let _ = self.drop_record(&self.names.record(key), "", Some(""), self.link.read_timeout).await;
    }
}

impl From<super::fault::Fault> for Misfit {
    fn from(fault: super::fault::Fault) -> Self {
        Self::Unread(fault.into())
    }
}
