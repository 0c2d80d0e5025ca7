//! Whose turn it is to drive a fetch.
//!
//! One at a time, and nobody waits for it: who does not get the turn leaves a note, and whoever has it looks for notes
//! when giving it back. Taking, noting and giving back are each one step on one atomic, so a note is either seen by the
//! holder or was never left. Why that loses no wake-up is argued, and tried in every order, in [`model`](super::model).

use std::sync::atomic::{AtomicU8, Ordering};

const FREE: u8 = 0;
const TAKEN: u8 = 1;
/// Taken, and somebody else asked for it.
const WANTED: u8 = 2;

#[derive(Default)]
pub(super) struct Turn(AtomicU8);

impl Turn {
    /// Takes the turn; false when somebody has it, who will then be told that it is wanted.
    pub(super) fn take(&self) -> bool {
        let next = |now| Some(if now == FREE { TAKEN } else { WANTED });
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(FREE)
    }

    /// Gives the turn back; true when somebody asked for it meanwhile.
    pub(super) fn give_back(&self) -> bool {
        self.0.swap(FREE, Ordering::AcqRel) == WANTED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_learns_that_the_turn_is_wanted() {
        let turn = Turn::default();
        assert!(turn.take());
        assert!(!turn.give_back());
        assert!(turn.take());
        assert!(!turn.take());
        assert!(!turn.take());
        assert!(turn.give_back());
        assert!(turn.take());
    }
}
