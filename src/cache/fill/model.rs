//! Why no wake-up is lost, argued and then tried in every order.
//!
//! A reader that finds nothing registers with the crowd, looks again, and asks for the turn; only then does it go to
//! sleep. The fetch knows one waker, the crowd's, so an event wakes everybody who is registered at that moment. Take a
//! reader B that sleeps, and an event that comes:
//!
//! - *after* B registered: B is woken. That holds whoever drove last, is dropped between its wake-up and its poll, or is
//!   never polled again because its client is slow.
//! - *before* B registered: then B asked for the turn later than the event. If it got the turn it polled the fetch and
//!   saw the event. If not, its note stands, in the same atomic step in which it saw that the turn was taken, so the
//!   holder finds the note on giving the turn back, and wakes B, which asks again. That is needed: the holder may have
//!   polled the fetch before the event, used up the event's wake-up while it was still driving, and never be polled
//!   again.
//!
//! What a driver takes in is seen by everybody registered, because progress wakes the others; a reader that registers
//! later looks once more after registering. The driver itself needs no wake-up: after progress it looks, and without
//! any it is registered still, or an event has woken it.
//!
//! The explorer below takes every step of two or three readers in every order, with readers that are dropped or never
//! polled again at any time, and with events at any time, in the middle of a poll too. Every lock and atomic is taken
//! in one step, and each orders what is around it, so these orders are all there are.

use std::collections::HashSet;

/// Chunks that arrive.
const CHUNKS: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Asleep,
    Look,
    Wait,
    LookAgain,
    Take,
    Register,
    Check,
    GiveBack { progress: bool },
    Wake { progress: bool },
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Reader {
    at: At,
    /// Its task is to be polled.
    woken: bool,
    /// Its waker is in the crowd.
    registered: bool,
    read: u8,
    /// Never polled again.
    frozen: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Turn {
    Free,
    Taken,
    Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    readers: Vec<Reader>,
    turn: Turn,
    /// The crowd's waker is in the fetch.
    awaited: bool,
    /// A chunk lies there.
    ready: bool,
    to_come: u8,
    arrived: u8,
}

/// What is changed about the protocol, to see that the explorer would notice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    AsItIs,
    WithoutNotes,
    WithoutLookingAgain,
    WithoutWakingOnProgress,
}

impl State {
    fn new(readers: usize) -> Self {
        let reader = Reader { at: At::Asleep, woken: true, registered: false, read: 0, frozen: false };
        let readers = vec![reader; readers];
        Self { readers, turn: Turn::Free, awaited: false, ready: false, to_come: CHUNKS, arrived: 0 }
    }

    fn wake_but(&mut self, spared: Option<usize>) {
        for (place, reader) in self.readers.iter_mut().enumerate() {
            if Some(place) != spared && reader.registered {
                (reader.registered, reader.woken) = (false, true);
            }
        }
    }

    /// The next chunk arrives, if there is room for it.
    fn event(&self) -> Option<Self> {
        let mut next = self.clone();
        if self.ready || self.to_come == 0 {
            return None;
        }
        (next.ready, next.to_come) = (true, self.to_come - 1);
        if std::mem::take(&mut next.awaited) {
            next.wake_but(None);
        }
        Some(next)
    }

    /// One step of a reader.
    fn step(&self, who: usize, protocol: Protocol) -> Option<Self> {
        let mut next = self.clone();
        let reader = &mut next.readers[who];
        reader.at = match reader.at {
            At::Gone => return None,
            At::Asleep if reader.frozen || !reader.woken => return None,
            At::Asleep => {
                reader.woken = false;
                At::Look
            }
            At::Look | At::LookAgain if reader.read < self.arrived => {
                reader.read += 1;
                // It is polled again for the next chunk, or has had them all.
                reader.woken = true;
                if reader.read == CHUNKS { At::Gone } else { At::Asleep }
            }
            At::Look => At::Wait,
            At::Wait => {
                reader.registered = true;
                if protocol == Protocol::WithoutLookingAgain { At::Take } else { At::LookAgain }
            }
            At::LookAgain => At::Take,
            At::Take if self.turn == Turn::Free => {
                next.turn = Turn::Taken;
                At::Register
            }
            At::Take => {
                if protocol != Protocol::WithoutNotes {
                    next.turn = Turn::Wanted;
                }
                At::Asleep
            }
            At::Register => {
                next.awaited = true;
                At::Check
            }
            At::Check => {
                next.ready = false;
                next.arrived += u8::from(self.ready);
                At::GiveBack { progress: self.ready }
            }
            At::GiveBack { progress } => {
                next.turn = Turn::Free;
                let wakes = self.turn == Turn::Wanted || (progress && protocol != Protocol::WithoutWakingOnProgress);
                if wakes { At::Wake { progress } } else { Self::after(progress) }
            }
            At::Wake { progress } => {
                next.wake_but(Some(who));
                next.readers[who].at = Self::after(progress);
                return Some(next);
            }
        };
        Some(next)
    }

    fn after(progress: bool) -> At {
        if progress { At::Look } else { At::Asleep }
    }

    /// A reader other than the first is dropped between two polls, or never polled again.
    fn desert(&self, who: usize) -> Vec<Self> {
        let reader = self.readers[who];
        if who == 0 || reader.at != At::Asleep || reader.frozen {
            return Vec::new();
        }
        let (mut dropped, mut frozen) = (self.clone(), self.clone());
        dropped.readers[who] = Reader { at: At::Gone, registered: false, ..reader };
        frozen.readers[who].frozen = true;
        vec![dropped, frozen]
    }
}

/// A state in which nothing happens any more though the first reader has not had everything. Deserted by everybody
/// else, it must get there by itself.
fn find_lost_wake_up(readers: usize, protocol: Protocol) -> Option<State> {
    let mut known = HashSet::new();
    let mut open = vec![State::new(readers)];
    while let Some(state) = open.pop() {
        let who = 0..state.readers.len();
        let steps = who.clone().filter_map(|reader| state.step(reader, protocol)).chain(state.event());
        let steps: Vec<State> = steps.collect();
        if steps.is_empty() && state.readers[0].read < CHUNKS {
            return Some(state);
        }
        let deserted = who.flat_map(|reader| state.desert(reader));
        for next in steps.into_iter().chain(deserted) {
            if known.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    None
}

#[test]
fn no_wake_up_is_lost_whoever_leaves_or_sleeps() {
    for readers in 1..=3 {
        assert_eq!(find_lost_wake_up(readers, Protocol::AsItIs), None);
    }
}

#[test]
fn each_part_of_the_protocol_is_needed() {
    use Protocol::{WithoutLookingAgain, WithoutNotes, WithoutWakingOnProgress};
    for protocol in [WithoutNotes, WithoutLookingAgain, WithoutWakingOnProgress] {
        assert!(find_lost_wake_up(2, protocol).is_some());
    }
}
