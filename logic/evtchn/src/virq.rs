//! Virtual interrupts: events that the hypervisor raises (public/xen.h, `VIRQ_*`).

use abi::evtchn::virq::{ARGO, COUNT, DEBUG, TIMER, XENOPROF, XENPMU};
use abi::{Errno, Port, VcpuId};

use crate::bind::Wanted;
use crate::channel::{Channel, State};
use crate::events::Events;
use crate::notify::Notify;
use crate::page::SharedPage;

/// Whether a domain is the handler of the VIRQ in question, which only a global one needs: those
/// tell one domain about the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalVirqs {
    /// This domain handles it.
    Handled,
    /// Another does, or none.
    NotHandled,
}

/// Whether each vCPU has one of its own.
pub(crate) fn is_per_vcpu(virq: u8) -> bool {
    matches!(u32::from(virq), TIMER | DEBUG | XENOPROF | XENPMU)
}

fn is_global(virq: u8) -> bool {
    !is_per_vcpu(virq) && u32::from(virq) != ARGO
}

impl<P: SharedPage> Events<P> {
    /// Opens a port for a VIRQ.
    ///
    /// # Errors
    /// In this order: `Inval`: no such VIRQ, or not one of a vCPU and `vcpu` is not 0. `NoEnt`: no
    /// such vCPU. `Busy`: global, and the domain does not handle it. `Exist`: bound already. Then
    /// as [`Events::alloc_unbound`].
    pub fn bind_virq(&mut self, virq: u32, vcpu: u32, handler: GlobalVirqs) -> Result<Port, Errno> {
        let virq = u8::try_from(virq)
            .ok()
            .filter(|virq| u32::from(*virq) < COUNT);
        let virq = virq.ok_or(Errno::Inval)?;
        if !is_per_vcpu(virq) && vcpu != 0 {
            return Err(Errno::Inval);
        }
        let (vcpu, entry) = self.vcpu(vcpu).ok_or(Errno::NoEnt)?;
        if is_global(virq) && handler == GlobalVirqs::NotHandled {
            return Err(Errno::Busy);
        }
        if entry
            .virqs
            .get(usize::from(virq))
            .is_none_or(|port| *port != Port(0))
        {
            return Err(Errno::Exist);
        }
        let port = self.open(Wanted::Lowest, Channel::new(State::Virq { virq }, vcpu))?;
        self.set_virq_port(virq, vcpu, port);
        Ok(port)
    }

    /// Raises a VIRQ. `vcpu` matters for those that each vCPU has; nothing happens if it is not
    /// bound.
    pub fn raise_virq(&mut self, virq: u32, vcpu: VcpuId) -> Notify {
        let of_vcpu = u8::try_from(virq).is_ok_and(is_per_vcpu);
        let owner = if of_vcpu { usize::from(vcpu.0) } else { 0 };
        let port = self
            .vcpus
            .get(owner)
            .and_then(|v| v.virqs.get(virq as usize))
            .copied();
        match port {
            Some(port) if port != Port(0) => self.deliver(port),
            _ => Notify::NONE,
        }
    }

    /// Records which port a VIRQ has, 0 for none. `vcpu` is whom it interrupts.
    pub(crate) fn set_virq_port(&mut self, virq: u8, vcpu: VcpuId, port: Port) {
        let owner = if is_per_vcpu(virq) {
            usize::from(vcpu.0)
        } else {
            0
        };
        let entry = self
            .vcpus
            .get_mut(owner)
            .and_then(|v| v.virqs.get_mut(usize::from(virq)));
        if let Some(entry) = entry {
            *entry = port;
        }
    }
}
