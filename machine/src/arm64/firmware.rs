//! The host's firmware: PSCI (Arm DEN0022) by the conduit that the device tree names.

use abi::psci;

/// How the host's firmware is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// `SMC #0`.
    Smc,
    /// `HVC #0`.
    Hvc,
}

/// What to do with the machine's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Off.
    Off,
    /// Restart.
    Reset,
}

/// Why a CPU did not start: PSCI's return code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartError(pub i32);

impl Conduit {
    fn call(self, function: u32, arguments: [u64; 3]) -> i32 {
        let result: u64;
        macro_rules! call {
            ($instruction:literal) => {
                core::arch::asm!(
                    $instruction,
                    inlateout("x0") u64::from(function) => result,
                    inlateout("x1") arguments[0] => _,
                    inlateout("x2") arguments[1] => _,
                    inlateout("x3") arguments[2] => _,
                    lateout("x4") _, lateout("x5") _, lateout("x6") _, lateout("x7") _,
                    lateout("x8") _, lateout("x9") _, lateout("x10") _, lateout("x11") _,
                    lateout("x12") _, lateout("x13") _, lateout("x14") _, lateout("x15") _,
                    lateout("x16") _, lateout("x17") _,
                    options(nostack),
                )
            };
        }
        // SAFETY: a firmware call by the convention (DEN0028): it may change x0 to x17 only.
        unsafe {
            match self {
                Self::Smc => call!("smc #0"),
                Self::Hvc => call!("hvc #0"),
            }
        }
        result as i32
    }

    /// Turns the machine off or restarts it. Returns only if the firmware does not do it.
    pub fn power(self, what: Power) {
        let function = match what {
            Power::Off => psci::SYSTEM_OFF,
            Power::Reset => psci::SYSTEM_RESET,
        };
        self.call(function, [0; 3]);
    }

    pub(crate) fn cpu_on(self, mpidr: u64, entry: u64, argument: u64) -> Result<(), StartError> {
        match self.call(psci::CPU_ON_64, [mpidr, entry, argument]) {
            psci::SUCCESS => Ok(()),
            code => Err(StartError(code)),
        }
    }
}
