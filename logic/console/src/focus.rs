//! The input focus: who gets what is typed.
//!
//! The order is Xen's: hypervisor, then the domains by number, then the hypervisor again. Only
//! domains that may have the input are in it.
//!
//! Invariants: the focus is always on a member or on the hypervisor; every byte typed is
//! delivered to one target, in order, except the three that switch and those still undecided when
//! their target ends.

use core::fmt;

use abi::DomId;

use crate::switch_key::SwitchKey;
use crate::text::{Sink, Text};

/// Who can have the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The hypervisor: bytes are [`Key`](crate::Key)s.
    Hypervisor,
    /// A domain: bytes go to its UART.
    Domain(DomId),
}

/// Whether a domain has the input, for how its output looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focused {
    /// It has: its output is raw.
    Yes,
    /// It has not: its output comes in lines.
    No,
}

/// There are [`Focus::CAPACITY`] domains in the ring already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The focus has moved. Displays as the line that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switched {
    /// Who had the input.
    pub from: Target,
    /// Who has it now.
    pub to: Target,
    key: SwitchKey,
}

impl fmt::Display for Switched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Target::Hypervisor => f.write_str("*** Serial input to Xen")?,
            Target::Domain(domain) => write!(f, "*** Serial input to DOM{}", domain.0)?,
        }
        let Some(letter) = self.key.letter.map(char::from) else {
            return Ok(());
        };
        write!(f, " (type 'CTRL-{letter}' three times to switch input)")
    }
}

/// What to do about a typed byte.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// Nothing yet: it may become part of a switch.
    Held,
    /// Give the bytes to the target.
    Deliver {
        /// Whom to give them to.
        to: Target,
        /// Switch keys held back before, then the byte itself.
        bytes: Text<3>,
    },
    /// Nobody gets it: the focus moved.
    Switched(Switched),
}

/// Who has the input, who can get it, and the switch keys typed so far.
pub struct Focus {
    key: SwitchKey,
    domains: [DomId; Self::CAPACITY],
    count: usize,
    current: Target,
    /// Switch keys held back: 0 to 2.
    held: u8,
}

impl Focus {
    /// The most domains in the ring.
    pub const CAPACITY: usize = 64;

    /// The hypervisor has the input and is alone.
    pub const fn new(key: SwitchKey) -> Self {
        Self {
            key,
            domains: [DomId(0); Self::CAPACITY],
            count: 0,
            current: Target::Hypervisor,
            held: 0,
        }
    }

    /// Boot is over: the first domain gets the input, unless the configuration leaves it to the
    /// hypervisor. Either is worth a line.
    pub fn start(&mut self) -> Switched {
        if self.key.starts_at_hypervisor {
            self.switch_to(Target::Hypervisor)
        } else {
            self.switch_to(self.next_after(Target::Hypervisor))
        }
    }

    /// `domain` may have the input from now on; no change if that was so before.
    ///
    /// # Errors
    /// [`Full`] if there is no room.
    pub fn add(&mut self, domain: DomId) -> Result<(), Full> {
        if !self.members().contains(&domain) {
            *self.domains.get_mut(self.count).ok_or(Full)? = domain;
            self.count = self.count.saturating_add(1);
        }
        Ok(())
    }

    /// `domain` is gone or may no longer have the input. If it had it, the next in order has it
    /// now; switch keys that were held back are forgotten, as they were typed at `domain`.
    pub fn remove(&mut self, domain: DomId) -> Option<Switched> {
        let place = self.members().iter().position(|member| *member == domain)?;
        let last = self.count.saturating_sub(1);
        self.domains.swap(place, last);
        self.count = last;
        let gone = Target::Domain(domain);
        (self.current == gone).then(|| self.switch_to(self.next_after(gone)))
    }

    /// Who has the input.
    pub const fn current(&self) -> Target {
        self.current
    }

    /// Whether `domain` has the input.
    pub fn of(&self, domain: DomId) -> Focused {
        if self.current == Target::Domain(domain) {
            Focused::Yes
        } else {
            Focused::No
        }
    }

    /// A byte was typed.
    pub fn input(&mut self, byte: u8) -> Input {
        let key = self.key.byte();
        if key == Some(byte) {
            if self.held == 2 {
                return Input::Switched(self.switch_to(self.next_after(self.current)));
            }
            self.held = self.held.saturating_add(1);
            return Input::Held;
        }
        let mut bytes = Text::new();
        for _ in 0..core::mem::take(&mut self.held) {
            bytes.put(key.as_slice());
        }
        bytes.put(&[byte]);
        Input::Deliver {
            to: self.current,
            bytes,
        }
    }

    fn switch_to(&mut self, to: Target) -> Switched {
        let from = core::mem::replace(&mut self.current, to);
        self.held = 0;
        Switched {
            from,
            to,
            key: self.key,
        }
    }

    /// The lowest domain above `target`, or the hypervisor behind the last one.
    fn next_after(&self, target: Target) -> Target {
        self.members()
            .iter()
            .map(|member| Target::Domain(*member))
            .filter(|member| *member > target)
            .min()
            .unwrap_or(Target::Hypervisor)
    }

    fn members(&self) -> &[DomId] {
        self.domains.get(..self.count).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests;
