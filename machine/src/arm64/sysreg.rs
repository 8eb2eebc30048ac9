//! System registers and barriers, by name.

/// Reads a system register.
macro_rules! read {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reading the registers that this crate names has no side effect on memory.
        unsafe {
            core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, options(nomem, nostack));
        }
        value
    }};
}

/// Writes a system register. Not `nomem`: some of them change how memory is seen.
macro_rules! write {
    ($name:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: the registers written in this crate hold a guest's state, or settings of EL2
        // that each caller explains.
        unsafe {
            core::arch::asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nostack));
        }
    }};
}

pub(crate) use {read, write};

macro_rules! barrier {
    ($(#[$doc:meta])* $name:ident = $text:literal) => {
        $(#[$doc])*
        #[inline]
        pub(crate) fn $name() {
            // SAFETY: a barrier only orders what the program does anyhow.
            unsafe { core::arch::asm!($text, options(nostack)) };
        }
    };
}

barrier!(
    /// Instruction synchronisation: later instructions see the register changes before it.
    isb = "isb"
);
barrier!(
    /// All earlier memory accesses and maintenance are complete for all CPUs.
    dsb_ish = "dsb ish"
);
barrier!(
    /// All earlier memory accesses and maintenance are complete for this CPU.
    dsb_nsh = "dsb nsh"
);
barrier!(
    /// All earlier loads have their values before any later access is made.
    dmb_ishld = "dmb ishld"
);
barrier!(
    /// All earlier stores are complete for all CPUs.
    dsb_ishst = "dsb ishst"
);
barrier!(
    /// All earlier accesses are complete for the whole system.
    dsb_sy = "dsb sy"
);
