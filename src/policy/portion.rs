//! Portions of a response's freshness: how far the ends of freshness are spread, and how long before its end a response is
//! refreshed.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::entry::Meta;
use crate::key::Key;

/// Part of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Portion {
    /// So many hundredths of it.
    Percent(u8),
    /// So long, or all of it where it is shorter.
    Time(Duration),
}

impl Portion {
    /// None of it.
    pub const NONE: Self = Self::Percent(0);

    fn of(self, whole: Duration) -> Duration {
        match self {
            Self::Percent(percent) => whole.saturating_mul(percent.into()) / 100,
            Self::Time(time) => time.min(whole),
        }
    }
}

/// A lifetime cut short, by at most `jitter` of the freshness that is left on arrival and never by more than half of that:
/// what was stored in one moment does not expire in one. The same key and instant always give the same.
pub(super) fn spread(
    lifetime: Duration,
    initial_age: Duration,
    jitter: Portion,
    key: &Key,
    received_at: Timestamp,
) -> Duration {
    let left = lifetime.saturating_sub(initial_age);
    let most = jitter.of(left).min(left / 2);
    if most.is_zero() {
        return lifetime;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&received_at.as_millis().to_le_bytes()).update(key.as_str().as_bytes());
    let draw = hasher.finalize().as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    // `most` times a draw from 0 to 1, whose bits behind the point the draw is.
    let cut = most.as_millis().saturating_mul(draw.into()) >> 64;
    lifetime.saturating_sub(Duration::from_millis(u64::try_from(cut).unwrap_or(0)))
}

/// Whether a response that is fresh at `now` is so near its end that it is to be refreshed.
pub fn is_due(meta: &Meta, ahead: Portion, now: Timestamp) -> bool {
    let left = meta.lifetime.saturating_sub(meta.age(now));
    left <= ahead.of(meta.lifetime.saturating_sub(meta.initial_age)) && ahead != Portion::NONE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::tests::sample;

    const AT: Timestamp = Timestamp::from_secs(1000);

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn key(n: u32) -> Key {
        Key::parse(&format!("GET:/{n}")).unwrap()
    }

    #[test]
    fn what_is_stored_in_one_moment_expires_over_the_whole_of_the_jitter() {
        let lifetimes: Vec<_> =
            (0..200).map(|n| spread(secs(100), Duration::ZERO, Portion::Percent(20), &key(n), AT)).collect();
        assert!(lifetimes.iter().all(|lifetime| *lifetime > secs(80) && *lifetime <= secs(100)));
        for tenth in [82, 84, 86, 88, 90, 92, 94, 96, 98] {
            let shorter = lifetimes.iter().filter(|lifetime| **lifetime < secs(tenth)).count();
            let expected = 10 * (tenth as usize - 80);
            assert!(shorter.abs_diff(expected) < 40, "{shorter} of 200 below {tenth} s");
        }
        let again = |at| spread(secs(100), Duration::ZERO, Portion::Percent(20), &key(1), at);
        assert_eq!(again(AT), again(AT));
        assert_ne!(again(AT), again(AT.plus(secs(1))));
    }

    #[test]
    fn a_response_is_due_near_its_end() {
        let mut meta = sample("GET:/a", "x", AT, secs(120)).meta().clone();
        meta.initial_age = secs(20);
        for (ahead, at, due) in [
            (Portion::Percent(10), 89, false),
            (Portion::Percent(10), 90, true),
            (Portion::Time(secs(5)), 94, false),
            (Portion::Time(secs(5)), 95, true),
            (Portion::Time(secs(500)), 0, true),
            (Portion::NONE, 100, false),
        ] {
            assert_eq!(is_due(&meta, ahead, AT.plus(secs(at))), due, "{ahead:?} after {at} s");
        }
    }

    proptest! {
        #[test]
        fn it_only_shortens_and_leaves_half(
            lifetime in 0..10_000_000_u64, age in 0..10_000_000_u64, percent: u8, time in 0..10_000_000_u64, n: u32,
        ) {
            let (lifetime, age) = (Duration::from_millis(lifetime), Duration::from_millis(age));
            for jitter in [Portion::Percent(percent), Portion::Time(Duration::from_millis(time))] {
                let spread = spread(lifetime, age, jitter, &key(n), AT);
                prop_assert!(spread <= lifetime);
                prop_assert!(spread.saturating_sub(age) >= lifetime.saturating_sub(age) / 2);
            }
        }
    }
}
