//! Exits by cause out of the emulator's log of exceptions (`-d int`), with the serial line's text in
//! between.

use std::collections::BTreeMap;

/// What the emulator's log has, after which nothing else stands on a line.
const LOGGED: [&str; 5] = [
    "Taking exception ",
    "Exception return from ",
    "...from EL",
    "...with ",
    "...to EL",
];
/// What the guest says when its shell is there (`xtask/src/initramfs.rs`).
pub(in super::super) const SHELL: &str = "shell ready";
/// What either hypervisor says when it has built all guests.
const BUILT: &str = "*** Serial input";
/// What either says when it stops for good.
const PANIC: &str = "Panic on CPU";

/// How many exits there were, by cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Exits(BTreeMap<String, u64>);

/// Follows the emulator's log and the serial line's text in between.
#[derive(Default)]
pub(super) struct Counter {
    /// The line that is not whole yet, without the log's.
    said: String,
    exits: Exits,
    kind: String,
    to_el2: bool,
    reached: Stage,
}

/// How far a machine has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// The hypervisor boots.
    #[default]
    Boot,
    /// The guests run.
    Guests,
    /// The guest's shell is there.
    Shell,
    /// The hypervisor has stopped for good.
    Panic,
}

impl Counter {
    /// Takes the next line.
    pub(super) fn line(&mut self, line: &str) {
        let log = LOGGED.iter().filter_map(|start| line.find(start)).min();
        let (said, line) = line.split_at(log.unwrap_or(line.len()));
        if !said.is_empty() {
            self.said.push_str(said);
            self.reach();
        }
        if log.is_none() {
            self.said.clear();
        }
        if let Some(rest) = line.strip_prefix("Taking exception ") {
            let name = rest.split(['[', ']']).nth(1).unwrap_or("unknown");
            name.clone_into(&mut self.kind);
            self.to_el2 = false;
        } else if let Some(rest) = line.strip_prefix("...from EL") {
            self.to_el2 = !rest.starts_with('2') && rest.ends_with("to EL2");
            if self.to_el2 && matches!(self.kind.as_str(), "IRQ" | "FIQ") {
                self.count("interrupt".into());
            }
        } else if let Some(rest) = line.strip_prefix("...with ESR ")
            && self.to_el2
        {
            let syndrome = rest.split('/').nth(1).and_then(|text| {
                u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
            });
            if let Some(syndrome) = syndrome {
                self.count(cause(syndrome));
            }
        }
    }

    /// How far the machine has come.
    pub(super) fn reached(&self) -> Stage {
        self.reached
    }

    /// What was counted.
    pub(super) fn exits(self) -> Exits {
        self.exits
    }

    fn reach(&mut self) {
        let signs = [
            (BUILT, Stage::Guests),
            (SHELL, Stage::Shell),
            (PANIC, Stage::Panic),
        ];
        for (sign, stage) in signs {
            if self.said.contains(sign) {
                self.reached = self.reached.max(stage);
            }
        }
    }

    fn count(&mut self, cause: String) {
        *self.exits.0.entry(cause).or_default() += 1;
        self.to_el2 = false;
    }
}

/// A syndrome in words (Arm ARM D19.2.37).
fn cause(syndrome: u32) -> String {
    match syndrome >> 26 {
        0x01 => "WFI and WFE".into(),
        0x16 if syndrome & 0xffff == 0 => "PSCI and SMCCC by HVC".into(),
        0x16 => "hypercall".into(),
        0x17 => "SMC".into(),
        0x18 => format!("system register {}", register(syndrome)),
        0x20 => "fetch abort".into(),
        0x24 if syndrome & 0x3f == 0x07 || syndrome & 0x3c == 0x04 => {
            "data abort: emulated device, or nothing there".into()
        }
        0x24 => "data abort, other".into(),
        0x07 => "floating point".into(),
        class => format!("exception class {class:#x}"),
    }
}

/// The register of a trapped access (Arm ARM D19.2.37, ISS for MSR and MRS).
fn register(syndrome: u32) -> String {
    let field = |low: u32, bits: u32| syndrome >> low & ((1 << bits) - 1);
    let (op0, op2, op1, crn, crm) = (
        field(20, 2),
        field(17, 3),
        field(14, 3),
        field(10, 4),
        field(1, 4),
    );
    match (op0, op1, crn, crm, op2) {
        (3, 0, 0, 6, 0) => "ID_AA64ISAR0_EL1".into(),
        (3, 0, 0, _, _) => "ID_*_EL1, other".into(),
        (3, 0, 12, 11, 5) => "ICC_SGI1R_EL1".into(),
        (2, ..) => "of debug".into(),
        (3, 3, 9 | 14, 12..=15, _) | (3, 0, 9, 14, _) => "of the performance monitor".into(),
        (3, 3, 14, 2, _) => "of the physical timer".into(),
        _ => format!("S{op0}_{op1}_C{crn}_C{crm}_{op2}"),
    }
}

impl Exits {
    /// All together.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many of a cause.
    pub(crate) fn of(&self, cause: &str) -> u64 {
        self.0.get(cause).copied().unwrap_or(0)
    }

    /// The causes that there were.
    pub(super) fn causes(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Of one cause, for tests.
    #[cfg(test)]
    pub(super) fn single(cause: &str, count: u64) -> Self {
        Self([(cause.to_owned(), count)].into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "(XEN) one\nshellTaking exception 13 [Hypervisor Trap] on CPU 0\n...from EL1 to EL2\n\
        ...with ESR 0x18/0x62300c0d\n readTaking exception 5 [IRQ] on CPU 0\n...from EL1 to EL2\n\
        ...with ESR 0x18/0x62300c0d\nTaking exception 2 [SVC] on CPU 0\n...from EL0 to EL1\n\
        ...with ESR 0x15/0x56000000\nTaking exception 5 [IRQ] on CPU 0\n...from EL2 to EL2\n\
        Taking exception 12 [Hypervisor Call] on CPU 0\n...from EL1 to EL2\n\
        ...with ESR 0x16/0x5a000000\n";

    #[test]
    fn exits_are_told_from_the_guests_own_exceptions() {
        let mut counter = Counter::default();
        LOG.lines().for_each(|line| counter.line(line));
        assert_eq!(counter.reached(), Stage::Boot);
        counter.line("yTaking exception 5 [IRQ] on CPU 0");
        assert_eq!(counter.reached(), Stage::Shell);
        let exits = counter.exits();
        assert_eq!(exits.total(), 3);
        assert_eq!(exits.of("interrupt"), 1);
        assert_eq!(exits.of("PSCI and SMCCC by HVC"), 1);
        assert_eq!(exits.causes().count(), 3);
    }

    #[test]
    fn registers_have_names() {
        // MRS x0, ID_AA64ISAR0_EL1.
        assert_eq!(register(0x6230_000d | 0x1), "ID_AA64ISAR0_EL1");
    }
}
