//! `multicall` (public/xen.h): several hypercalls in one.
//!
//! Bounded: after some entries the instruction is executed again with the rest of the list in its
//! arguments. What is done of an entry that is itself continued is kept in the vCPU, so that nothing
//! depends on what the guest writes into the list meanwhile.

use abi::Errno;
use abi::hypercall::{GRANT_TABLE_OP, MEMORY_OP, MULTICALL, MulticallEntry};
use abi::permit::Permit;

use super::{Call, Outcome, Result, argument, perform, permitted};
use crate::guest_memory;
use crate::run::{Cpu, Next};

/// Calls made in one exit.
const BUDGET: u32 = 16;
/// Where an entry's result is.
const RESULT_OFFSET: u64 = 8;

/// An entry that is continued.
#[derive(Clone, Copy, Debug)]
pub struct Unfinished {
    entry: u64,
    call: Call,
}

/// Makes the calls of a list. What they demand of this CPU is told in any case: a call that is done
/// stays done, whatever becomes of the rest of the list.
#[inline(never)]
pub(super) fn call(cpu: &mut Cpu<'_>, call: &mut Call) -> (Result, Next) {
    let mut next = Next::Run;
    let result = entries(cpu, call, &mut next);
    (result, next)
}

fn entries(cpu: &mut Cpu<'_>, call: &mut Call, next: &mut Next) -> Result {
    if !permitted(cpu, Permit::Multicall) {
        return Err(Errno::NoSys);
    }
    let [mut list, count, ..] = call.arguments;
    // The count is an unsigned int of the ABI.
    let mut left = u64::from(count as u32);
    let mut budget = BUDGET;
    while left != 0 {
        if budget == 0 || *next == Next::Choose {
            let [list_left, count_left, ..] = &mut call.arguments;
            (*list_left, *count_left) = (list, left);
            return Ok(Outcome::Again);
        }
        let (result, after) = match entry(cpu, list, &mut budget)? {
            Some(done) => done,
            None => continue,
        };
        *next = after;
        guest_memory::write(cpu, list.wrapping_add(RESULT_OFFSET), &result.to_le_bytes())?;
        list = list.wrapping_add(MulticallEntry::SIZE as u64);
        left -= 1;
    }
    Ok(Outcome::Done(0))
}

/// Makes the call of the entry at `at`; `None` if the budget ended within it.
fn entry(
    cpu: &mut Cpu<'_>,
    at: u64,
    budget: &mut u32,
) -> core::result::Result<Option<(u64, Next)>, Errno> {
    // Another list, of an interrupt handler, may come between: it leaves this alone.
    let unfinished = cpu
        .with_registers(|registers| registers.unfinished.take_if(|it| it.entry == at))
        .flatten();
    let mut call = match unfinished {
        Some(unfinished) => unfinished.call,
        None => {
            let entry = MulticallEntry::from_bytes(&argument(cpu, at)?);
            let [a, b, c, d, e, _] = entry.args;
            Call {
                number: entry.op,
                arguments: [a, b, c, d, e],
            }
        }
    };
    let cost = match call.number {
        // Each of these has a budget of its own, which is an exit's.
        MEMORY_OP | GRANT_TABLE_OP => BUDGET,
        _ => 1,
    };
    while *budget != 0 {
        *budget = budget.saturating_sub(cost);
        let result = match call.number {
            MULTICALL => Err(Errno::Inval),
            _ => perform(cpu, &mut call),
        };
        match result {
            Ok(Outcome::Done(value)) => return Ok(Some((value, Next::Run))),
            Ok(Outcome::DoneThen(value, next)) => return Ok(Some((value, next))),
            Ok(Outcome::Again) => {}
            // A slice of RAM was zeroed, which is an exit's work.
            Err(Errno::Restart) => *budget = 0,
            Err(errno) => return Ok(Some((errno.as_result() as u64, Next::Run))),
        }
    }
    cpu.with_registers(|registers| {
        registers.unfinished = Some(Unfinished { entry: at, call });
    });
    Ok(None)
}
