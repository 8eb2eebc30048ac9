//! Telling vCPUs of events: what `logic/evtchn` says is to be done once its lock is dropped.

use abi::VcpuId;
use abi::arm::EVENT_UPCALL;
use evtchn::{Notify, NotifyMany};
use vgic::Cause;

use crate::domain::{Changed, Domain};
use crate::run::{Cpu, Next};

/// Interrupts and wakes whom an event of `domain` concerns.
#[inline]
pub fn notify(cpu: &mut Cpu<'_>, domain: &Domain, notify: &Notify) -> Next {
    let mut next = Next::Run;
    if let Some(vcpu) = notify.upcall {
        next = upcall(cpu, domain, vcpu);
    }
    if !notify.wake.is_empty() && cpu.wake(domain, notify.wake) == Next::Choose {
        next = Next::Choose;
    }
    next
}

/// The same for several events.
pub fn notify_many(cpu: &mut Cpu<'_>, domain: &Domain, many: NotifyMany) -> Next {
    let mut next = cpu.wake(domain, many.wake);
    for vcpu in many.upcalls.iter() {
        if upcall(cpu, domain, vcpu) == Next::Choose {
            next = Next::Choose;
        }
    }
    next
}

/// Raises the upcall interrupt of a vCPU, whose `upcall_pending` was 0 until now. As on Xen it is an
/// edge: it does not come again until the guest has cleared that.
fn upcall(cpu: &mut Cpu<'_>, domain: &Domain, vcpu: VcpuId) -> Next {
    let is_own = |(own, id): (&Domain, VcpuId)| own.id == domain.id && id == vcpu;
    if cpu.resident().is_some_and(is_own) {
        return cpu.make_pending(EVENT_UPCALL, Cause::Edge);
    }
    let effect = domain
        .devices
        .lock(&mut cpu.token)
        .vgic
        .raise(vcpu, EVENT_UPCALL);
    cpu.notify(domain, effect.wake, Changed::Pending)
}
