//! Two threads that play two CPUs, one at a time, switching where a schedule says.
//!
//! Locks and claims are where CPUs meet, so every taking and giving back of one is a point at which
//! the other CPU may go on, as are kicks and entries to guests. A test runs a scene under all
//! schedules with up to so many switches and finds the orders that go wrong, the same each time.

use core::sync::atomic::{AtomicU32, Ordering};
use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::vec::Vec;

/// How often a CPU may wait in vain for a lock before the test fails.
const MOST_SPINS: u32 = 1_000_000;

struct Baton {
    running: usize,
    points: usize,
    done: [bool; 2],
}

/// At which points of a scene the two CPUs take turns. Clones are the same scene.
#[derive(Clone)]
pub struct Scene {
    switches: Arc<Vec<usize>>,
    baton: Arc<(Mutex<Baton>, Condvar)>,
}

std::thread_local! {
    static PLAYER: RefCell<Option<(Scene, usize)>> = const { RefCell::new(None) };
}

impl Scene {
    /// A scene that player 0 begins, and in which the other goes on at each of the points
    /// `switches`, counted from 1 over both.
    pub fn new(switches: &[usize]) -> Self {
        let baton = Baton {
            running: 0,
            points: 0,
            done: [false; 2],
        };
        Self {
            switches: Arc::new(Vec::from(switches)),
            baton: Arc::new((Mutex::new(baton), Condvar::new())),
        }
    }

    /// Plays one of the two parts (0 or 1) on this thread. The other part must be played on
    /// another thread.
    pub fn play<T>(&self, player: usize, part: impl FnOnce() -> T) -> T {
        struct Ends(Scene, usize);
        impl Drop for Ends {
            fn drop(&mut self) {
                PLAYER.with_borrow_mut(|place| *place = None);
                self.0.change(|baton| {
                    baton.done[self.1] = true;
                    baton.running = 1 - self.1;
                });
            }
        }
        PLAYER.with_borrow_mut(|place| *place = Some((self.clone(), player)));
        self.wait(player);
        // Also when the part panics: the other must not wait for ever.
        let _ends = Ends(self.clone(), player);
        part()
    }

    /// How many points were passed.
    pub fn points(&self) -> usize {
        self.change(|baton| baton.points)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Baton) -> T) -> T {
        let (baton, changed) = &*self.baton;
        let result = change(&mut baton.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
        result
    }

    fn wait(&self, player: usize) {
        let (baton, changed) = &*self.baton;
        let mut held = baton.lock().unwrap_or_else(PoisonError::into_inner);
        while held.running != player && !held.done[1 - player] {
            held = changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn point(&self, player: usize, forced: bool) {
        self.change(|baton| {
            baton.points += usize::from(!forced);
            let scheduled = !forced && self.switches.contains(&baton.points);
            if (forced || scheduled) && !baton.done[1 - player] {
                baton.running = 1 - player;
            }
        });
        self.wait(player);
    }
}

fn player() -> Option<(Scene, usize)> {
    PLAYER.with_borrow(|player| player.clone())
}

/// A point at which the other CPU may go on.
pub(crate) fn point() {
    if let Some((scene, player)) = player() {
        scene.point(player, false);
    }
}

/// What became of a wish to let the other CPU go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// It went on.
    Yes,
    /// Its part is at its end.
    Alone,
    /// This is no scene.
    NoScene,
}

/// This CPU has nothing to do until the other has done something: that one goes on.
pub(crate) fn pass() -> Passed {
    let Some((scene, player)) = player() else {
        return Passed::NoScene;
    };
    if scene.change(|baton| baton.done[1 - player]) {
        return Passed::Alone;
    }
    scene.point(player, true);
    Passed::Yes
}

/// This CPU waits until another stores `value` to `word`: that one must go on.
///
/// # Panics
/// If it waits too long: a deadlock.
pub(crate) fn wait_for(word: &AtomicU32, value: u32) {
    let mut spins = 0;
    while word.load(Ordering::Acquire) != value {
        assert!(spins < MOST_SPINS, "a CPU waits for ever");
        spins += 1;
        if pass() == Passed::NoScene {
            std::thread::yield_now();
        }
    }
}
