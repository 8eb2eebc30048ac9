//! arm64: system registers, timers and firmware calls as a guest sees them.

pub mod calls;
pub mod identification;
pub mod instruction;
pub mod sysreg;
pub mod timer;
