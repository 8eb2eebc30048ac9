//! `console_io` (public/xen.h): a domain writes to the console without a UART.
//!
//! Every domain of the boot device tree may use it, as on Xen. Output is raw with the focus, else
//! in lines with the prefix `(d1) ` at the guests' debug level, so that `guest_loglvl=debug` shows
//! it.

use abi::Errno;
use abi::hypercall::console_io;

use super::{Outcome, Result};
use crate::guest_memory;
use crate::run::Cpu;

/// Bytes taken from the guest at once.
const CHUNK: usize = 128;
/// Chunks, or lines of a domain without the focus, in one exit; a longer call is continued by executing
/// the instruction again.
const CHUNKS: u32 = 8;

#[inline(never)]
pub(super) fn call(cpu: &mut Cpu<'_>, arguments: &mut [u64; 5]) -> Result {
    let [command, count, ..] = *arguments;
    // The command is an int and the count an unsigned int of the ABI.
    match u64::from(command as u32) {
        console_io::WRITE => write(cpu, arguments),
        // There is no input ring yet; Xen's is the hardware domain's, which does not exist.
        console_io::READ if count as u32 > i32::MAX as u32 => Err(Errno::TooBig),
        console_io::READ => Ok(Outcome::Done(0)),
        _ => Err(Errno::NoSys),
    }
}

fn write(cpu: &mut Cpu<'_>, arguments: &mut [u64; 5]) -> Result {
    let [_, count, buffer, ..] = arguments;
    let Some((domain, _)) = cpu.resident() else {
        return Err(Errno::Srch);
    };
    let (mut left, mut at) = (*count as u32, *buffer);
    for _ in 0..CHUNKS {
        if left == 0 {
            return Ok(Outcome::Done(0));
        }
        let mut chunk = [0; CHUNK];
        let length = (left as usize).min(CHUNK);
        let Some(bytes) = chunk.get_mut(..length) else {
            return Err(Errno::Fault);
        };
        guest_memory::read(cpu, at, bytes)?;
        let taken = cpu
            .system
            .console
            .lock(&mut cpu.token)
            .guest_write(domain.id, bytes);
        if taken == 0 {
            // The serial line is slower than the guest, which waits in its own time.
            break;
        }
        left -= taken as u32;
        at = at.wrapping_add(taken as u64);
    }
    (*count, *buffer) = (left.into(), at);
    Ok(Outcome::Again)
}
