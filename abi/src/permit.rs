//! Permits: the parts of the ABI that a domain may use and see, in the positive sense.
//!
//! Everything is on by default. One list below makes the type, the names, the bits and the
//! documentation; the device tree's `euxenite,permit`, a domain's flag bits and the manual all
//! come from it. A part that is not permitted answers as an unknown operation does, before any
//! argument is read, so that a guest sees what a hypervisor without that part shows.

use core::fmt;

macro_rules! permits {
    ($($(#[$doc:meta])* $variant:ident = $bit:literal, $name:literal, $manual:literal,
        $hidden:literal;)*) => {
        /// A part of the ABI that a domain may be permitted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Permit { $($(#[$doc])* #[doc = concat!(" ", $manual)] $variant = $bit),* }

        impl Permit {
            /// All that there are.
            pub const ALL: &'static [Permit] = &[$(Permit::$variant),*];

            /// Its name in the device tree and in the manual.
            pub const fn name(self) -> &'static str {
                match self { $(Permit::$variant => $name),* }
            }

            /// What it is, for the manual.
            pub const fn manual(self) -> &'static str {
                match self { $(Permit::$variant => $manual),* }
            }

            /// What a guest is answered without it, for the manual.
            pub const fn hidden(self) -> &'static str {
                match self { $(Permit::$variant => $hidden),* }
            }
        }
    };
}

permits! {
    FifoEvtchn = 0, "fifo-evtchn",
        "The FIFO event channel ABI: EVTCHNOP_init_control, expand_array and set_priority.",
        "-ENOSYS";
    EvtchnUpcallVector = 1, "evtchn-upcall-vector",
        "HVMOP_set_evtchn_upcall_vector, the per-vCPU upcall of x86; no guest on Arm has it.",
        "-ENOSYS, on Arm with the permit as well";
    GrantTable = 2, "grant-table",
        "grant_table_op, and mapping the grant table by add_to_physmap.",
        "-ENOSYS; the space XENMAPSPACE_grant_table is unknown (-ENOSYS, in a batch -EOPNOTSUPP)";
    ConsoleIo = 3, "console-io",
        "console_io: the hypervisor's console.",
        "-ENOSYS";
    Multicall = 4, "multicall",
        "multicall: several hypercalls in one.",
        "-ENOSYS";
    VcpuRunstate = 5, "vcpu-runstate",
        "VCPUOP_register_runstate_memory_area and its vm_assist.",
        "-EINVAL, as every unknown vcpu_op and vm_assist on Arm; no XENFEAT_runstate_phys_area";
}

impl Permit {
    /// The permit called `name`, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|permit| permit.name() == name)
    }

    /// Its bit in [`Permits::bits`].
    pub const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// What one domain is permitted; everything by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permits(u32);

impl Permits {
    /// Everything.
    pub const ALL: Self = {
        let mut bits = 0;
        let mut index = 0;
        while index < Permit::ALL.len() {
            bits |= Permit::ALL[index].bit();
            index += 1;
        }
        Self(bits)
    };

    /// Whether `permit` is among them.
    pub const fn has(self, permit: Permit) -> bool {
        self.0 & permit.bit() != 0
    }

    /// These without `permit`.
    #[must_use]
    pub const fn without(self, permit: Permit) -> Self {
        Self(self.0 & !permit.bit())
    }

    /// These and `permit`.
    #[must_use]
    pub const fn with(self, permit: Permit) -> Self {
        Self(self.0 | permit.bit())
    }

    /// One bit for each permit, [`Permit::bit`].
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// From flag bits; `None` if there is one that no permit has.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// Reads the strings of `euxenite,permit`: from everything, each string in turn adds (`name`,
    /// `all`) or takes away (`-name`, `-all`). The error is the first string that is neither.
    pub fn parse<'a>(
        strings: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, UnknownPermit<'a>> {
        let mut permits = Self::ALL;
        for string in strings {
            let (name, removes) = match string.strip_prefix('-') {
                Some(name) => (name, true),
                None => (string, false),
            };
            let bits = match Permit::from_name(name) {
                Some(permit) => permit.bit(),
                None if name == "all" => Self::ALL.0,
                None => return Err(UnknownPermit(string)),
            };
            permits.0 = if removes {
                permits.0 & !bits
            } else {
                permits.0 | bits
            };
        }
        Ok(permits)
    }
}

impl Default for Permits {
    fn default() -> Self {
        Self::ALL
    }
}

/// A string of `euxenite,permit` that names no permit. Its text lists those that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPermit<'a>(pub &'a str);

impl fmt::Display for UnknownPermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown permit \"{}\"; known are all", self.0)?;
        Permit::ALL
            .iter()
            .try_for_each(|permit| write!(f, ", {}", permit.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_on_by_default() {
        assert_eq!(Permits::parse([]), Ok(Permits::ALL));
        assert_eq!(Permits::default(), Permits::ALL);
        assert!(Permit::ALL.iter().all(|permit| Permits::ALL.has(*permit)));
    }

    #[test]
    fn strings_add_and_remove_in_turn() {
        let no_fifo = Permits::ALL.without(Permit::FifoEvtchn);
        assert_eq!(Permits::parse(["all", "-fifo-evtchn"]), Ok(no_fifo));
        assert_eq!(Permits::parse(["-fifo-evtchn"]), Ok(no_fifo));
        assert_eq!(
            Permits::parse(["-fifo-evtchn", "fifo-evtchn"]),
            Ok(Permits::ALL)
        );
        let console = Permits::parse(["-all", "console-io"]).unwrap();
        assert_eq!(console.bits(), Permit::ConsoleIo.bit());
        assert_eq!(
            Permits::from_bits(0).unwrap().with(Permit::ConsoleIo),
            console
        );
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        for bad in ["fifo", "", "-", "FIFO-EVTCHN", "--all", "all "] {
            let error = Permits::parse(["all", bad]).unwrap_err();
            assert_eq!(error, UnknownPermit(bad));
            let text = error.to_string();
            assert!(
                Permit::ALL
                    .iter()
                    .all(|permit| text.contains(permit.name())),
                "{text}"
            );
        }
        assert_eq!(Permits::from_bits(1 << 31), None);
    }

    /// The bits are an interface: a number stays with its name for ever, and is never used anew.
    #[test]
    fn bits_stay_what_they_are() {
        let pinned = [
            ("fifo-evtchn", 1 << 0),
            ("evtchn-upcall-vector", 1 << 1),
            ("grant-table", 1 << 2),
            ("console-io", 1 << 3),
            ("multicall", 1 << 4),
            ("vcpu-runstate", 1 << 5),
        ];
        let all = Permit::ALL.iter();
        let all: Vec<_> = all.map(|permit| (permit.name(), permit.bit())).collect();
        assert_eq!(all, pinned);
        assert_eq!(Permits::ALL.bits(), 0x3f);
    }

    #[test]
    fn bits_and_names_are_unique_and_have_a_manual() {
        for (index, permit) in Permit::ALL.iter().enumerate() {
            assert_eq!(*permit as usize, index);
            assert_eq!(Permit::from_name(permit.name()), Some(*permit));
            assert!(permit.manual().ends_with('.'));
        }
    }
}
