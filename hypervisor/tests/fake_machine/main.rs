//! The whole hypervisor on the fake machine: booted from a device tree, driven by scripted guests,
//! seen through the serial line, the list registers and the RAM.

mod bench;
mod boot;
mod calls;
mod crowd;
mod devices;
mod ending;
mod event_answers;
mod event_channels;
mod event_limits;
mod event_lives;
mod event_races;
mod filling;
mod filling_races;
mod gic_pages;
mod grant_races;
mod guest_copies;
mod hypercalls;
mod interface;
mod interleave;
mod keys;
mod mmio;
mod permits;
mod physmap;
mod power;
mod random;
mod refusals;
mod sgi;
mod sharing;
mod sleep;
mod stopping;
mod suspending;
mod switching;
mod sysregs;
mod timers;
#[path = "../../../logic/domcfg/tests/common/mod.rs"]
mod trees;
mod typing;
mod weights;
mod xen;
mod zeroing;
mod zeroing_race;
