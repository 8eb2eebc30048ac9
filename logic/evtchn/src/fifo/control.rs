//! The FIFO operations: `EVTCHNOP_init_control`, `expand_array` and `set_priority`.

use alloc::vec::Vec;

use abi::evtchn::fifo::{CONTROL_BLOCK_SIZE, MAX_PAGES, PRIORITY_LOWEST, QUEUES, WORDS_PER_PAGE};
use abi::evtchn::two_level;
use abi::{Errno, PAGE_SIZE, Port, VcpuId};

use super::queue::Queues;
use crate::events::{Abi, Events};
use crate::notify::NotifyMany;
use crate::page::SharedPage;
use crate::ports::Ports;
use crate::try_vec;
use crate::two_level::is_pending;

/// What FIFO delivery needs.
pub(crate) struct Fifo<P> {
    /// Event words: page `k` holds those of ports `k * 1024` and following.
    pub(super) pages: Vec<P>,
    pub(super) vcpus: Vec<Queues<P>>,
}

impl<P> Fifo<P> {
    fn new(vcpus: usize) -> Result<Self, Errno> {
        let vcpus = try_vec(vcpus, || Queues {
            control: None,
            tails: [Port(0); QUEUES],
        })?;
        Ok(Self {
            pages: Vec::new(),
            vcpus,
        })
    }

    /// Whether the vCPU can take events.
    pub(super) fn has_control(&self, vcpu: VcpuId) -> bool {
        self.vcpus
            .get(usize::from(vcpu.0))
            .is_some_and(|queues| queues.control.is_some())
    }
}

impl<P: SharedPage> Events<P> {
    /// What [`Events::init_control`] checks before a page is needed.
    ///
    /// # Errors
    /// `NoEnt`: no such vCPU. `Inval`: the block is not in one page or not aligned to 8, or the
    /// vCPU has one.
    pub fn check_init_control(&self, vcpu: u32, offset: u32) -> Result<VcpuId, Errno> {
        let (id, _) = self.vcpu(vcpu).ok_or(Errno::NoEnt)?;
        if offset > PAGE_SIZE as u32 - CONTROL_BLOCK_SIZE || !offset.is_multiple_of(8) {
            return Err(Errno::Inval);
        }
        match &self.abi {
            Abi::Fifo(fifo) if fifo.has_control(id) => Err(Errno::Inval),
            _ => Ok(id),
        }
    }

    /// Gives the vCPU a control block. The first one switches the domain to FIFO: what is pending
    /// then is delivered when the pages of event words come.
    ///
    /// # Errors
    /// As [`Events::check_init_control`]; `Inval`: the domain is dying; `NoMem`.
    pub fn init_control(&mut self, vcpu: u32, page: P, offset: u32) -> Result<(), Errno> {
        let id = self.check_init_control(vcpu, offset)?;
        if self.is_dying {
            return Err(Errno::Inval);
        }
        if let Abi::TwoLevel(_) = self.abi {
            let fifo = Fifo::new(self.vcpus.len())?;
            save_pending(&mut self.ports, &self.shared_info);
            self.abi = Abi::Fifo(fifo);
        }
        if let Abi::Fifo(fifo) = &mut self.abi
            && let Some(queues) = fifo.vcpus.get_mut(usize::from(id.0))
        {
            queues.control = Some((page, offset));
        }
        Ok(())
    }

    /// What [`Events::expand_array`] checks before a page is needed.
    ///
    /// # Errors
    /// `OpNotSupp`: not FIFO. `NoSpc`: all pages are there.
    pub fn check_expand_array(&self) -> Result<(), Errno> {
        match &self.abi {
            Abi::TwoLevel(_) => Err(Errno::OpNotSupp),
            Abi::Fifo(fifo) if fifo.pages.len() >= MAX_PAGES as usize => Err(Errno::NoSpc),
            Abi::Fifo(_) => Ok(()),
        }
    }

    /// Adds the next page of event words. Events that waited for it are delivered, lowest port
    /// first.
    ///
    /// # Errors
    /// As [`Events::check_expand_array`]; `NoMem`.
    pub fn expand_array(&mut self, page: P) -> Result<NotifyMany, Errno> {
        self.check_expand_array()?;
        let Abi::Fifo(fifo) = &mut self.abi else {
            return Err(Errno::OpNotSupp);
        };
        fifo.pages.try_reserve(1).map_err(|_| Errno::NoMem)?;
        let first = fifo.pages.len() as u32 * WORDS_PER_PAGE;
        fifo.pages.push(page);
        let mut notify = NotifyMany::default();
        for port in (first..self.ports.len().min(first + WORDS_PER_PAGE)).map(Port) {
            if let Some(channel) = self.ports.get_mut(port)
                && core::mem::take(&mut channel.fifo.is_saved)
            {
                notify.add(self.deliver(port));
            }
        }
        Ok(notify)
    }

    /// Sets the priority that the port has from the next time that it is queued.
    ///
    /// # Errors
    /// `Inval`: the table does not reach so far, or no such priority. `NoSys`: not FIFO. `Acces`:
    /// not an open port of the guest's.
    pub fn set_priority(&mut self, port: Port, priority: u32) -> Result<(), Errno> {
        let channel = self.ports.get_mut(port).ok_or(Errno::Inval)?;
        if let Abi::TwoLevel(_) = self.abi {
            return Err(Errno::NoSys);
        }
        if !channel.is_usable() {
            return Err(Errno::Acces);
        }
        if priority > PRIORITY_LOWEST {
            return Err(Errno::Inval);
        }
        channel.fifo.priority = priority as u8;
        Ok(())
    }
}

/// Keeps what is pending in the shared info page for when the event words come, and starts all
/// ports with the default priority.
fn save_pending<P: SharedPage>(ports: &mut Ports, shared_info: &P) {
    for port in (1..ports.len().min(two_level::PORTS)).map(Port) {
        if let Some(channel) = ports.get_mut(port) {
            channel.fifo = channel.fifo.of_closed();
            channel.fifo.is_saved = channel.is_usable() && is_pending(shared_info, port);
        }
    }
}
