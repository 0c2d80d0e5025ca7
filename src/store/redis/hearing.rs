//! What this node makes of what it hears: copies leave memory, fills are cut off, who waits is woken.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::record::FILL_FOR;
use super::tracking::News;
use super::under_way::{Ours, UnderWay};
use super::{Redis, gather::gather};

/// How often leases are renewed. Far more often than a lease needs, for a server that is slow now and then.
const RENEW_EVERY: Duration = Duration::from_millis(500);

/// Whoever else wants to hear.
type Hearer = Box<dyn Fn(News<'_>) + Send>;

/// What is told, and to whom.
#[derive(Default)]
pub(super) struct Hearing {
    pub(super) under_way: UnderWay,
    other: Mutex<Other>,
}

#[derive(Default)]
struct Other {
    up: bool,
    hearer: Option<Hearer>,
}

impl Hearing {
    /// Has another hear as well, from now on; it is told first.
    pub(super) fn share(&self, hearer: Hearer) {
        let mut other = self.other.lock().unwrap_or_else(PoisonError::into_inner);
        if other.up {
            hearer(News::Up);
        }
        other.hearer = Some(hearer);
    }

    fn pass_on(&self, news: News<'_>) {
        let mut other = self.other.lock().unwrap_or_else(PoisonError::into_inner);
        match news {
            News::Up => other.up = true,
            News::Down => other.up = false,
            News::Changed(_) | News::Flushed => {}
        }
        if let Some(hearer) = &other.hearer {
            hearer(news);
        }
    }
}

impl Redis {
    /// Takes in what is told. Copies leave memory first, so that whoever is woken reads what is new.
    pub(super) fn hear(self: &Arc<Self>, news: News<'_>) {
        self.hearing.pass_on(news);
        let under_way = &self.hearing.under_way;
        let leases = match news {
            News::Up => under_way.told(),
            News::Changed(name) => self.changed(name),
            News::Down => {
                under_way.untold();
                return;
            }
            News::Flushed => {
                under_way.flushed();
                return;
            }
        };
        leases.into_iter().for_each(|lease| self.look(lease));
    }

    /// The record that is named, if it is about one.
    pub(super) fn member<'n>(&self, news: News<'n>) -> Option<&'n str> {
        match news {
            News::Changed(name) => self.names.member_of(std::str::from_utf8(name).ok()?),
            News::Up | News::Down | News::Flushed => None,
        }
    }

    fn changed(&self, name: &[u8]) -> Vec<Ours> {
        if let Some(member) = self.member(News::Changed(name)) {
            return self.hearing.under_way.changed(member);
        }
        if name == self.names.news().as_bytes() {
            self.hearing.under_way.cleared();
        }
        Vec::new()
    }

    /// Cuts a fill off unless its record still holds the lease.
    pub(super) fn look(self: &Arc<Self>, (name, token, fence): Ours) {
        let (redis, name) = (Arc::clone(self), self.names.member(&name));
        spawn(async move {
            if !redis.holds(&name, token).await {
                fence.cut();
            }
        });
    }

    /// Has leases of fetches that take their time hold on. Those of a process that is gone lapse soon, and others need
    /// not wait for them.
    pub(super) fn renew_leases(self: &Arc<Self>) {
        spawn(renew(Arc::downgrade(self)));
    }
}

async fn renew(redis: Weak<Redis>) {
    /// Renewals in flight.
    const BATCH: usize = 200;
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let Some(redis) = redis.upgrade() else { return };
        let lasting = redis.hearing.under_way.lasting(Instant::now(), RENEW_EVERY / 2, FILL_FOR);
        for batch in lasting.chunks(BATCH) {
            gather(batch.iter().map(|lease| redis.renew(lease))).await;
        }
    }
}

/// This file owns the tasks that follow from what was heard.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    // Without a runtime the process is ending.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(task);
    }
}
