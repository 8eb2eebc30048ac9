//! Every interleaving of the hypervisor with a guest on 2-level, by loom: the hypervisor's calls
//! hold the domain's lock, the guest's accesses are its own.

use abi::shared_info::{MASK_OFFSET, PENDING_OFFSET, vcpu_info};
use abi::{Port, VcpuId};
use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::SeqCst, fence};
use loom::sync::{Arc, Mutex};

use super::bench::OWN;
use crate::{Closed, Config, Events, SharedPage, Side, Wanted};

/// A page of which the first words of each kind exist: those that these tests use.
#[derive(Clone)]
pub(crate) struct Page(Arc<Words>);

struct Words {
    byte: AtomicU8,
    words: Vec<(u32, AtomicU32)>,
    double_words: Vec<(u32, AtomicU64)>,
}

impl Page {
    /// A page with words at these offsets; the byte at 0 is always there.
    pub(crate) fn new(words: &[u32], double_words: &[u32]) -> Self {
        Self(Arc::new(Words {
            byte: AtomicU8::new(0),
            words: words
                .iter()
                .map(|offset| (*offset, AtomicU32::new(0)))
                .collect(),
            double_words: double_words
                .iter()
                .map(|offset| (*offset, AtomicU64::new(0)))
                .collect(),
        }))
    }

    /// A shared info page with one word of ports.
    pub(crate) fn shared_info() -> Self {
        Self::new(
            &[],
            &[vcpu_info::PENDING_SEL_OFFSET, PENDING_OFFSET, MASK_OFFSET],
        )
    }

    fn word(&self, offset: u32) -> &AtomicU32 {
        &self
            .0
            .words
            .iter()
            .find(|(at, _)| *at == offset)
            .expect("word")
            .1
    }

    fn double_word(&self, offset: u32) -> &AtomicU64 {
        &self
            .0
            .double_words
            .iter()
            .find(|(at, _)| *at == offset)
            .expect("double word")
            .1
    }
}

/// Loom takes `SeqCst` for less than it is on accesses, not on fences, so each access has one.
impl SharedPage for Page {
    fn load8(&self, _: u32) -> u8 {
        ordered(|| self.0.byte.load(SeqCst))
    }
    fn swap8(&self, _: u32, value: u8) -> u8 {
        ordered(|| self.0.byte.swap(value, SeqCst))
    }
    fn load32(&self, offset: u32) -> u32 {
        ordered(|| self.word(offset).load(SeqCst))
    }
    fn store32(&self, offset: u32, value: u32) {
        ordered(|| self.word(offset).store(value, SeqCst));
    }
    fn fetch_or32(&self, offset: u32, bits: u32) -> u32 {
        ordered(|| self.word(offset).fetch_or(bits, SeqCst))
    }
    fn fetch_and32(&self, offset: u32, bits: u32) -> u32 {
        ordered(|| self.word(offset).fetch_and(bits, SeqCst))
    }
    fn compare_exchange32(&self, offset: u32, current: u32, new: u32) -> Result<u32, u32> {
        ordered(|| {
            self.word(offset)
                .compare_exchange(current, new, SeqCst, SeqCst)
        })
    }
    fn load64(&self, offset: u32) -> u64 {
        ordered(|| self.double_word(offset).load(SeqCst))
    }
    fn fetch_or64(&self, offset: u32, bits: u64) -> u64 {
        ordered(|| self.double_word(offset).fetch_or(bits, SeqCst))
    }
    fn fetch_and64(&self, offset: u32, bits: u64) -> u64 {
        ordered(|| self.double_word(offset).fetch_and(bits, SeqCst))
    }
}

fn ordered<T>(access: impl FnOnce() -> T) -> T {
    fence(SeqCst);
    let result = access();
    fence(SeqCst);
    result
}

/// Runs `test` with all interleavings of at most three preemptions.
pub(crate) fn explore(test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 10_000;
    builder.check(test);
}

struct Guest(Page);

impl Guest {
    /// Takes the upcall as Linux does: which of the first 64 ports have an event.
    fn upcall(&self) -> u64 {
        let Self(page) = self;
        page.swap8(0, 0);
        if page.fetch_and64(vcpu_info::PENDING_SEL_OFFSET, 0) & 1 == 0 {
            return 0;
        }
        let seen = page.load64(PENDING_OFFSET) & !page.load64(MASK_OFFSET);
        page.fetch_and64(PENDING_OFFSET, !seen);
        seen
    }
}

fn domain() -> (Arc<Mutex<Events<Page>>>, Guest) {
    let page = Page::shared_info();
    let config = Config {
        domain: OWN,
        vcpus: 1,
        max_port: Port(1023),
    };
    let events = Events::new(config, page.clone()).unwrap();
    (Arc::new(Mutex::new(events)), Guest(page))
}

#[test]
fn a_sent_event_is_seen_or_announced() {
    explore(|| {
        let (events, guest) = domain();
        let ports = [(); 2].map(|()| events.lock().unwrap().bind_ipi(0).unwrap());
        let sender = {
            let events = events.clone();
            loom::thread::spawn(move || {
                for port in ports {
                    let _ = events.lock().unwrap().send(port, Side::Guest);
                }
            })
        };
        let mut seen = guest.upcall();
        sender.join().unwrap();
        if events.lock().unwrap().upcall_pending(VcpuId(0)) {
            seen |= guest.upcall();
        }
        assert_eq!(seen, 0b110);
    });
}

#[test]
fn an_event_sent_during_an_unmask_is_not_lost() {
    explore(|| {
        let (events, guest) = domain();
        let port = events.lock().unwrap().bind_ipi(0).unwrap();
        guest.0.fetch_or64(MASK_OFFSET, 1 << port.0);
        let sender = {
            let events = events.clone();
            loom::thread::spawn(move || {
                let _ = events.lock().unwrap().send(port, Side::Guest);
            })
        };
        let _ = events.lock().unwrap().unmask(port);
        sender.join().unwrap();
        assert!(events.lock().unwrap().upcall_pending(VcpuId(0)));
        assert_eq!(guest.upcall(), 1 << port.0);
    });
}

#[test]
fn an_event_sent_while_the_guest_unmasks_without_a_call_is_not_lost() {
    explore(|| {
        let (events, guest) = domain();
        let port = events.lock().unwrap().bind_ipi(0).unwrap();
        let bit = 1 << port.0;
        guest.0.fetch_or64(MASK_OFFSET, bit);
        let sender = {
            let events = events.clone();
            loom::thread::spawn(move || {
                let _ = events.lock().unwrap().send(port, Side::Guest);
            })
        };
        // On the port's own vCPU Linux takes the mask off itself, and looks for an event then.
        guest.0.fetch_and64(MASK_OFFSET, !bit);
        let found = guest.0.load64(PENDING_OFFSET) & bit != 0;
        sender.join().unwrap();
        assert!(found || events.lock().unwrap().upcall_pending(VcpuId(0)));
    });
}

#[test]
fn send_close_and_bind_vcpu_at_once_leave_a_sound_table() {
    explore(|| {
        let (events, guest) = domain();
        let (near, far) = {
            let mut events = events.lock().unwrap();
            let far = events.alloc_unbound(Wanted::Lowest, OWN).unwrap();
            let near = events
                .bind_interdomain(Wanted::Lowest, None, far)
                .unwrap()
                .0;
            (near, far)
        };
        guest.upcall();
        let closer = {
            let events = events.clone();
            loom::thread::spawn(move || {
                let closed = events.lock().unwrap().close(near, Side::Guest, None);
                assert_eq!(closed, Ok(Closed::Done));
                events.lock().unwrap().bind_ipi(0).unwrap()
            })
        };
        let sender = {
            let events = events.clone();
            loom::thread::spawn(move || {
                let sent = events.lock().unwrap().send(far, Side::Guest);
                assert!(sent.is_ok());
                let _ = events.lock().unwrap().bind_vcpu(near, 0);
            })
        };
        let early = guest.upcall();
        sender.join().unwrap();
        let reused = closer.join().unwrap();
        // The number's new use has seen no event that was sent for the old one.
        assert_eq!(reused, near);
        assert!(!events.lock().unwrap().is_pending(near));
        assert_eq!(early & !(1 << near.0), 0);
    });
}
