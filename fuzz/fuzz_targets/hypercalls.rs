//! Hypercalls of two domains on the fake machine, as the bytes say: the game of
//! `hypervisor/tests/fake_machine/random`. No panic, no call without an end, a neighbour that does not
//! notice, and all memory back at the end.
//!
//! `cargo +nightly fuzz run hypercalls` (without nightly: `RUSTC_BOOTSTRAP=1 cargo fuzz run -s none
//! hypercalls`). Any bytes are a seed.
#![no_main]
#![allow(dead_code)]

#[path = "../../hypervisor/tests/fake_machine/bench.rs"]
mod bench;
#[path = "../../hypervisor/tests/fake_machine/random/mod.rs"]
mod random;
#[path = "../../logic/domcfg/tests/common/mod.rs"]
mod trees;
#[path = "../../hypervisor/tests/fake_machine/xen.rs"]
mod xen;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use random::choices::Choices;

/// What is free when both domains have ended without a call.
static FREE: OnceLock<Option<u64>> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let free = *FREE.get_or_init(|| random::play(&mut Choices::seeded(0), 0).1);
    let (_, left) = random::play(&mut Choices::Bytes(bytes), u64::MAX);
    assert!(left.is_none_or(|left| Some(left) == free), "memory is lost, or found");
});
