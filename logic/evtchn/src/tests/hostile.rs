//! A guest that writes anything to its words at any time: it harms nobody but itself.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use abi::evtchn::fifo::{BUSY, LINKED, MASKED, PENDING};
use abi::{DomId, Port};
use proptest::prelude::*;

use super::bench::OWN;
use crate::{Closed, Config, Events, SharedPage, Side, Wanted};

/// A page whose words the guest changes on each access, as it likes.
#[derive(Clone, Default)]
struct Evil {
    words: Rc<RefCell<HashMap<u32, u32>>>,
    /// What the guest writes over the word before the next accesses.
    plan: Rc<RefCell<Vec<u32>>>,
    /// It sets and clears the mask before each access.
    is_restless: Rc<Cell<bool>>,
    accesses: Rc<Cell<u32>>,
}

impl Evil {
    fn access(&self, offset: u32, change: impl FnOnce(u32) -> u32) -> u32 {
        assert!(offset.is_multiple_of(4) && offset < 4096);
        self.accesses.set(self.accesses.get() + 1);
        let mut words = self.words.borrow_mut();
        let word = words.entry(offset).or_default();
        if let Some(written) = self.plan.borrow_mut().pop() {
            *word = written;
        }
        if self.is_restless.get() {
            *word ^= MASKED;
        }
        core::mem::replace(word, change(*word))
    }
}

impl SharedPage for Evil {
    fn load8(&self, offset: u32) -> u8 {
        self.load32(offset & !3) as u8
    }
    fn swap8(&self, offset: u32, value: u8) -> u8 {
        self.access(offset & !3, |_| value.into()) as u8
    }
    fn load32(&self, offset: u32) -> u32 {
        self.access(offset, |word| word)
    }
    fn store32(&self, offset: u32, value: u32) {
        self.access(offset, |_| value);
    }
    fn fetch_or32(&self, offset: u32, bits: u32) -> u32 {
        self.access(offset, |word| word | bits)
    }
    fn fetch_and32(&self, offset: u32, bits: u32) -> u32 {
        self.access(offset, |word| word & bits)
    }
    fn compare_exchange32(&self, offset: u32, current: u32, new: u32) -> Result<u32, u32> {
        let old = self.access(offset, |word| if word == current { new } else { word });
        if old == current { Ok(old) } else { Err(old) }
    }
    fn load64(&self, offset: u32) -> u64 {
        self.fetch_or64(offset, 0)
    }
    fn fetch_or64(&self, offset: u32, bits: u64) -> u64 {
        let low = self.fetch_or32(offset, bits as u32);
        u64::from(low) | u64::from(self.fetch_or32(offset + 4, (bits >> 32) as u32)) << 32
    }
    fn fetch_and64(&self, offset: u32, bits: u64) -> u64 {
        let low = self.fetch_and32(offset, bits as u32);
        u64::from(low) | u64::from(self.fetch_and32(offset + 4, (bits >> 32) as u32)) << 32
    }
}

/// A domain on FIFO all of whose shared words are in one page.
fn domain() -> (Events<Evil>, Evil) {
    let page = Evil::default();
    let config = Config {
        domain: OWN,
        vcpus: 2,
        max_port: Port(u32::MAX),
    };
    let mut events = Events::new(config, page.clone()).unwrap();
    let _ = events.register_vcpu_info(1, page.clone(), 64).unwrap();
    events.init_control(0, page.clone(), 0).unwrap();
    events.init_control(1, page.clone(), 72).unwrap();
    let _ = events.expand_array(page.clone()).unwrap();
    (events, page)
}

#[test]
fn a_guest_that_always_wins_the_race_for_a_link_does_not_hold_us_up_xsa_295() {
    let (mut events, page) = domain();
    let ports = [(); 2].map(|()| events.bind_ipi(0).unwrap());
    let _ = events.send(ports[0], Side::Guest);
    page.is_restless.set(true);
    page.accesses.set(0);
    // Its own word must not look masked when it is made pending.
    page.words.borrow_mut().insert(ports[1].0 * 4, MASKED);
    let _ = events.send(ports[1], Side::Guest);
    assert!(
        page.accesses.get() <= 10,
        "{} accesses",
        page.accesses.get()
    );
    assert!(page.accesses.get() > 6, "the link was tried again");
    let word = page.words.borrow()[&(ports[0].0 * 4)];
    assert_eq!(word & (LINKED | BUSY), LINKED, "BUSY does not stay");
}

#[test]
fn a_word_that_leaves_the_queue_during_the_link_gives_busy_back() {
    let (mut events, page) = domain();
    let ports = [(); 2].map(|()| events.bind_ipi(0).unwrap());
    let _ = events.send(ports[0], Side::Guest);
    // Accesses: pending and linked of the second port; then the first port's word changes under
    // the first attempt, and is off the queue when BUSY is set.
    *page.plan.borrow_mut() = vec![PENDING, LINKED | 5, LINKED, 0, 0];
    let _ = events.send(ports[1], Side::Guest);
    assert_eq!(page.words.borrow()[&(ports[0].0 * 4)] & BUSY, 0);
}

#[derive(Clone, Debug)]
enum Step {
    Guest(Vec<u32>),
    Send(u32),
    Unmask(u32),
    Priority(u32, u32),
    Vcpu(u32, u32),
    Close(u32),
    Open(u32),
    Poll(u32),
    Expand,
}

fn word() -> impl Strategy<Value = u32> {
    let flags = prop::sample::subsequence(vec![PENDING, MASKED, LINKED, BUSY], 0..4);
    (flags, prop_oneof![0..12_u32, any::<u32>()])
        .prop_map(|(flags, link)| flags.iter().sum::<u32>() | link & 0x0fff_ffff)
}

fn step() -> impl Strategy<Value = Step> {
    let port = || prop_oneof![9 => 0..12_u32, 1 => any::<u32>()];
    prop_oneof![
        4 => prop::collection::vec(word(), 0..12).prop_map(Step::Guest),
        6 => port().prop_map(Step::Send),
        3 => port().prop_map(Step::Unmask),
        1 => (port(), 0..17_u32).prop_map(|(port, priority)| Step::Priority(port, priority)),
        1 => (port(), 0..3_u32).prop_map(|(port, vcpu)| Step::Vcpu(port, vcpu)),
        2 => port().prop_map(Step::Close),
        3 => (0..3_u32).prop_map(Step::Open),
        1 => port().prop_map(Step::Poll),
        1 => Just(Step::Expand),
    ]
}

fn run(events: &mut Events<Evil>, page: &Evil, step: Step) {
    match step {
        Step::Guest(plan) => *page.plan.borrow_mut() = plan,
        Step::Send(port) => _ = events.send(Port(port), Side::Guest),
        Step::Unmask(port) => _ = events.unmask(Port(port)),
        Step::Priority(port, priority) => _ = events.set_priority(Port(port), priority),
        Step::Vcpu(port, vcpu) => _ = events.bind_vcpu(Port(port), vcpu),
        Step::Close(port) => {
            let closed = events.close(Port(port), Side::Guest, None);
            assert_ne!(closed, Ok(Closed::NeedsPeer(DomId(9))));
        }
        Step::Open(0) => _ = events.bind_ipi(1),
        Step::Open(_) => {
            if let Ok(far) = events.alloc_unbound(Wanted::Lowest, OWN) {
                let _ = events.bind_interdomain(Wanted::Lowest, None, far);
            }
        }
        Step::Poll(port) => _ = events.poll(abi::VcpuId(1), &[Port(port)]),
        Step::Expand => _ = events.expand_array(Evil::default()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_word_of_the_guest_panics_or_holds_us_up(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let (mut events, page) = domain();
        for step in steps {
            page.accesses.set(0);
            let is_open = matches!(step, Step::Open(_));
            run(&mut events, &page, step);
            let most = if is_open { 2500 } else { 20 };
            prop_assert!(page.accesses.get() <= most);
        }
        // The table is still our own.
        events.begin_destroy();
        while events.sweep(16) != crate::Sweep::Done {}
        drop(events.finish_destroy(page.clone()));
        prop_assert_eq!(Rc::strong_count(&page.words), 2, "what stands for shared info and the test itself");
    }
}
