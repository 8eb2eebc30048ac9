//! A walk through memory.

use abi::{PAGE_SIZE, arm};
use core::ptr;
use support::timer;

use crate::operation::{Operation, whole};

/// Pages of 64 MiB.
const PAGES: u32 = (64 << 20) / PAGE_SIZE as u32;

pub(crate) const OPERATIONS: &[Operation] =
    &[whole("walk of 64 MiB, a word of each page", 1, |_| {
        walk(PAGES, PAGE_SIZE)
    })
    .with_own(|_| walk(PAGES, 0).0)];

/// Reads `count` words, `step` bytes apart.
#[inline(never)]
fn walk(count: u32, step: u64) -> (u64, u64) {
    let mut address = arm::RAM_BANK_0.start();
    let mut sum = 0_u64;
    let start = timer::virtual_count();
    for _ in 0..count {
        // SAFETY: RAM of ours, read only.
        sum = sum.wrapping_add(unsafe { ptr::read_volatile(address as *const u64) });
        address += step;
    }
    let _ = core::hint::black_box(sum);
    (timer::virtual_count() - start, 0)
}
