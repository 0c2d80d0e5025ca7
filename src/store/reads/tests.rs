use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};

use tokio::sync::oneshot;

use super::*;
use crate::clock::Timestamp;
use crate::entry::tests::sample;
use crate::invalidation::Tag;

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

/// Reads whose answers lie in the test's hand.
#[derive(Default)]
struct Rig {
    reads: Arc<Reads>,
    begun: Mutex<Vec<oneshot::Sender<Answer>>>,
}

impl Rig {
    fn join(&self, text: &str) -> Waiting {
        self.reads.join(&key(text), None, |_| {
            let (answer, wait) = oneshot::channel();
            self.begun.lock().unwrap().push(answer);
            Box::pin(async move { wait.await.unwrap_or(Err(StoreError::Timeout)) })
        })
    }

    fn begun(&self) -> usize {
        self.begun.lock().unwrap().len()
    }

    fn answer(&self) {
        let entry = Arc::new(sample("GET:/a", "x", Timestamp::from_secs(1), Duration::from_secs(60)));
        self.begun.lock().unwrap().remove(0).send(Ok(Found::Entry(entry))).unwrap();
    }

    fn listed(&self) -> usize {
        (0..STRIPES).map(|place| self.reads.lock(place).under_way.len()).sum()
    }
}

async fn is_pending(waiting: &mut Waiting) -> bool {
    poll_fn(|context| Poll::Ready(std::pin::pin!(&mut *waiting).poll(context).is_pending())).await
}

fn entry(answer: Answer) -> Arc<crate::entry::Entry> {
    match answer {
        Ok(Found::Entry(entry)) => entry,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_reads_of_one_record_are_one_and_bring_one_entry() {
    let rig = Rig::default();
    let mut waiting: Vec<Waiting> = (0..1000).map(|_| rig.join("GET:/a")).collect();
    assert!(is_pending(&mut waiting[7]).await);
    assert_eq!(rig.begun(), 1);
    rig.answer();
    let mut entries = Vec::new();
    for waiting in waiting {
        entries.push(entry(waiting.await));
    }
    assert!(entries.iter().all(|entry| Arc::ptr_eq(entry, &entries[0])));
    assert_eq!(rig.listed(), 0);
    drop(rig.join("GET:/a"));
    assert_eq!(rig.begun(), 1, "what is over is joined by nobody");
}

#[tokio::test(start_paused = true)]
async fn other_records_are_read_for_themselves() {
    let rig = Rig::default();
    let id = |byte| Some(VariantId::new([byte; 32]));
    let begun = AtomicUsize::new(0);
    let mut held = Vec::new();
    for (text, variant) in [
        ("GET:/a", None),
        ("GET:/a", id(1)),
        ("GET:/a", id(2)),
        ("GET:/a?q", None),
        ("GET:/a", None),
        ("GET:/a", id(2)),
    ] {
        held.push(rig.reads.join(&key(text), variant, |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::pending())
        }));
    }
    assert_eq!(begun.into_inner(), 4);
}

#[tokio::test(start_paused = true)]
async fn whoever_stays_is_woken_and_drives_whoever_leaves() {
    for leaver in 0..3 {
        let rig = Rig::default();
        let mut waiting: Vec<Waiting> = (0..3).map(|_| rig.join("GET:/a")).collect();
        for waiting in &mut waiting {
            assert!(is_pending(waiting).await);
        }
        drop(waiting.remove(leaver));
        rig.answer();
        for waiting in waiting {
            entry(waiting.await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_that_leaves_takes_the_read_along() {
    let rig = Rig::default();
    let (mut one, two) = (rig.join("GET:/a"), rig.join("GET:/a"));
    assert!(is_pending(&mut one).await);
    drop(one);
    assert!(!rig.begun.lock().unwrap()[0].is_closed());
    drop(two);
    assert!(rig.begun.lock().unwrap()[0].is_closed());
    assert_eq!(rig.listed(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_a_read_that_began_before_a_change_was_told() {
    type Change = dyn Fn(&Reads);
    let changes: [(&str, &Change); 5] = [
        ("its name", &|reads| reads.pass(&key("GET:/a?q").physical())),
        ("its path", &|reads| reads.pass_selected(&Selector::Key(key("GET:/a")))),
        ("a tag", &|reads| reads.pass_selected(&Selector::Tag(Tag::new("t")))),
        ("everything", &|reads| reads.pass_selected(&Selector::All)),
        ("the link", &Reads::pass_all),
    ];
    for (what, happens) in changes {
        let rig = Rig::default();
        let before = rig.join("GET:/a?q");
        happens(&rig.reads);
        let mut after = rig.join("GET:/a?q");
        assert_eq!(rig.begun(), 2, "{what}");
        rig.answer();
        entry(before.await);
        assert!(is_pending(&mut after).await, "{what}");
        assert_eq!(rig.listed(), 1, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_a_read_that_is_older_than_changes_take_to_be_heard_of() {
    let rig = Rig::default();
    let _first = rig.join("GET:/a");
    tokio::time::advance(JOINED_WITHIN - Duration::from_millis(1)).await;
    let _second = rig.join("GET:/a");
    assert_eq!(rig.begun(), 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    let _third = rig.join("GET:/a");
    assert_eq!(rig.begun(), 2);
    let _fourth = rig.join("GET:/a");
    assert_eq!(rig.begun(), 2);
}

#[test]
fn a_read_that_panics_leaves_nobody_waiting() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let reads = Arc::<Reads>::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _runtime = runtime.enter();
    let first = AtomicUsize::new(0);
    let begin = |_| -> BoxFuture<Answer> {
        let mut polls = first.fetch_add(1, Ordering::Relaxed);
        Box::pin(poll_fn(move |_| {
            polls += 1;
            assert!(polls < 2, "on purpose");
            Poll::Pending
        }))
    };
    let mut one = Box::pin(reads.join(&key("GET:/a"), None, begin));
    let mut two = Box::pin(reads.join(&key("GET:/a"), None, begin));
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let mut context = std::task::Context::from_waker(&waker);
    assert!(two.as_mut().poll(&mut context).is_pending());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = one.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()));
    }));
    assert!(panicked.is_err());
    assert_eq!(count.0.load(Ordering::Relaxed), 1, "the other is woken");
    assert!(matches!(two.as_mut().poll(&mut context), Poll::Ready(Err(StoreError::Unavailable(_)))));
}

#[test]
fn a_key_its_hashed_name_and_its_path_are_of_one_stripe() {
    let reads = Reads::default();
    let long = format!("GET:/{}?q=1", "é".repeat(150));
    for text in ["GET:/a?x=1", "GET:/a?x=1#00", &long, &format!("GET:/b?{}", "x".repeat(300))] {
        let key = key(text);
        let seen = reads.epoch(&key);
        reads.pass(&key.physical());
        reads.pass(key.resource());
        assert_eq!(reads.epoch(&key), Epoch(seen.0 + 2), "{text}");
        assert_eq!(reads.within(&key, seen, || ()), None);
    }
}
