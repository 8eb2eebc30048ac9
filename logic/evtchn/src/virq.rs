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

impl<P: SharedPage> Events<P> {
    /// Opens a port for a VIRQ.
    ///
    /// # Errors
    /// In this order: `Inval`: no such VIRQ, or not one of a vCPU and `vcpu` is not 0. `NoEnt`: no
    /// such vCPU. `Busy`: global, and the domain does not handle it. `Exist`: bound already. Then
    /// as [`Events::alloc_unbound`].
    pub fn bind_virq(&mut self, virq: u32, vcpu: u32, handler: GlobalVirqs) -> Result<Port, Errno> {
        if virq >= COUNT {
            return Err(Errno::Inval);
        }
        let virq = virq as u8;
        if !is_per_vcpu(virq) && vcpu != 0 {
            return Err(Errno::Inval);
        }
        let (vcpu, _) = self.vcpu(vcpu).ok_or(Errno::NoEnt)?;
        let is_global = !is_per_vcpu(virq) && u32::from(virq) != ARGO;
        if is_global && handler == GlobalVirqs::NotHandled {
            return Err(Errno::Busy);
        }
        if self
            .virq_port(virq, vcpu)
            .is_none_or(|port| *port != Port(0))
        {
            return Err(Errno::Exist);
        }
        let port = self.open(Wanted::Lowest, Channel::new(State::Virq { virq }, vcpu))?;
        self.virq_port(virq, vcpu)
            .into_iter()
            .for_each(|entry| *entry = port);
        Ok(port)
    }

    /// Raises a VIRQ. `vcpu` matters for those that each vCPU has; nothing happens if it is not
    /// bound.
    pub fn raise_virq(&mut self, virq: u32, vcpu: VcpuId) -> Notify {
        let port = u8::try_from(virq)
            .ok()
            .and_then(|virq| self.virq_port(virq, vcpu));
        match port.copied() {
            Some(port) if port != Port(0) => self.deliver(port),
            _ => Notify::NONE,
        }
    }

    /// Which port a VIRQ has, 0 for none. `vcpu` matters for those that each vCPU has.
    pub(crate) fn virq_port(&mut self, virq: u8, vcpu: VcpuId) -> Option<&mut Port> {
        let owner = if is_per_vcpu(virq) { vcpu.0 } else { 0 };
        self.vcpus
            .get_mut(usize::from(owner))?
            .virqs
            .get_mut(usize::from(virq))
    }
}
