//! How a vCPU spent its time, as `VCPUOP_register_runstate_memory_area` shows it (public/vcpu.h).
//!
//! Time that a vCPU waits for a CPU after it woke is counted as blocked until it runs: who wakes it
//! need not know its registers.

use abi::vcpu::{RunstateInfo, runstate};

/// A vCPU's states so far, and where the guest wants to see them.
#[derive(Clone, Copy, Debug)]
pub struct Runstate {
    /// Guest virtual address of the area, 0 for none.
    pub area: u64,
    state: u32,
    since_ns: u64,
    time_ns: [u64; 4],
}

impl Default for Runstate {
    fn default() -> Self {
        Self {
            area: 0,
            state: runstate::OFFLINE,
            since_ns: 0,
            time_ns: [0; 4],
        }
    }
}

impl Runstate {
    /// Whether the guest wants to see it.
    pub const fn is_shown(&self) -> bool {
        self.area != 0
    }

    /// It is in `state`, one of [`runstate`], from `now_ns` on.
    pub fn change(&mut self, state: u32, now_ns: u64) {
        let spent = now_ns.saturating_sub(self.since_ns);
        if let Some(time) = self.time_ns.get_mut(self.state as usize) {
            *time = time.saturating_add(spent);
        }
        self.state = state;
        self.since_ns = now_ns;
    }

    /// As the guest gets it.
    pub const fn info(&self) -> RunstateInfo {
        RunstateInfo {
            state: self.state,
            state_entry_time: self.since_ns,
            time: self.time_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_time() {
        let mut all = Runstate::default();
        all.change(runstate::RUNNING, 100);
        all.change(runstate::BLOCKED, 150);
        all.change(runstate::RUNNING, 250);
        let info = all.info();
        assert_eq!(
            (info.state, info.state_entry_time),
            (runstate::RUNNING, 250)
        );
        assert_eq!(info.time, [50, 0, 100, 100]);
    }
}
