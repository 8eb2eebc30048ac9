//! What a CPU does beside running guests: when nobody is to run, and what is for no guest that runs.

use machine::atomic::{Ordering, fence};

use super::Cpu;
use crate::chores::Chore;
use crate::statistics::Cause;
use crate::{filling, interrupts, listing, reclaim, zeroing};

impl Cpu<'_> {
    /// Does a piece of what is to be done for no guest that runs: one, as pieces are as long as an exit may
    /// be. Whether that takes the place of running a guest.
    #[cold]
    pub(super) fn do_chores(&mut self) -> bool {
        let chores = &self.system.chores;
        self.fills = chores.has(Chore::Fill) && filling::take_turn(self);
        if self.fills {
            return true;
        }
        let mark = self.shared.statistics.mark();
        if chores.has(Chore::List) {
            listing::piece(self);
            self.shared.statistics.since(mark, Cause::Listing);
        } else if chores.has(Chore::Reclaim) {
            self.leave_if_ending();
            reclaim::step(self);
            self.shared.statistics.since(mark, Cause::Reclaim);
        }
        false
    }

    /// Nobody is to run: takes work over from others, or waits for an interrupt.
    #[inline(never)]
    pub fn idle(&mut self) {
        if core::mem::take(&mut self.fills) {
            self.shared.statistics.goes_on();
            self.shared.statistics.woken();
            let _ = interrupts::handle(self);
            return;
        }
        self.shared.idle.store(true, Ordering::Relaxed);
        // Pairs with the load in `System::place`; a wake-up that missed it kicks this CPU anyhow.
        fence(Ordering::SeqCst);
        let nothing = self.shared.queue.lock(&mut self.token).runnable() == 0;
        let stolen = nothing && self.system.steal(self.shared, &mut self.token);
        self.shared.statistics.goes_on();
        let found = !nothing
            || stolen
            || filling::piece(self)
            || self.system.chores.has(Chore::Reclaim)
            || self.system.chores.has(Chore::List)
            || zeroing::idle(self);
        if !found {
            machine::cpu::wait_for_interrupt();
        }
        self.shared.statistics.woken();
        let _ = interrupts::handle(self);
        self.shared.idle.store(false, Ordering::Relaxed);
    }
}
