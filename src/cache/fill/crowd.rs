//! One waker for all who wait for the same fetch.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// The tasks that wait for a fetch. Waking the crowd wakes each of them, so that the fetch goes on as long as any one
/// of them is polled, whoever polled it last.
#[derive(Default)]
pub(super) struct Crowd {
    places: Mutex<Vec<Place>>,
}

#[derive(Default)]
struct Place {
    taken: bool,
    waker: Option<Waker>,
}

impl Crowd {
    /// Takes a place in the crowd.
    pub(super) fn enter(&self) -> usize {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Place { taken: true, waker: None };
        match places.iter().position(|place| !place.taken) {
            Some(free) => {
                places[free] = place;
                free
            }
            None => {
                places.push(place);
                places.len() - 1
            }
        }
    }

    /// Asks to be woken.
    pub(super) fn wait(&self, place: usize, waker: &Waker) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get_mut(place) {
            match &mut place.waker {
                Some(known) => known.clone_from(waker),
                empty => *empty = Some(waker.clone()),
            }
        }
    }

    /// Gives the place up.
    pub(super) fn leave(&self, place: usize) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let left = places.get_mut(place).map(std::mem::take);
        // A waker may run anybody's code when it is dropped.
        drop(places);
        drop(left);
    }

    /// Wakes everybody who asked, once.
    pub(super) fn wake_all(&self) {
        self.wake_but(None);
    }

    /// Wakes everybody else: who drives looks for itself.
    pub(super) fn wake_others(&self, driver: usize) {
        self.wake_but(Some(driver));
    }

    fn wake_but(&self, spared: Option<usize>) {
        let woken: Vec<Waker> = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            let others = places.iter_mut().enumerate().filter(|(place, _)| Some(*place) != spared);
            others.filter_map(|(_, place)| place.waker.take()).collect()
        };
        for waker in woken {
            waker.wake();
        }
    }
}

impl Wake for Crowd {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}
