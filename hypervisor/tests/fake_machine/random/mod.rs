//! Random hypercalls of two domains with three vCPUs on two CPUs, with good and hostile arguments,
//! while the guests change the words that they share with the hypervisor.
//!
//! Nothing panics, every call comes to an end, a neighbour that has nothing to do with it keeps its
//! memory and goes on, and when both domains have ended all their memory is back.
//!
//! `EUXENITE_CALLS=2000000 cargo test --release -p hypervisor --test fake_machine random` for a long
//! run, `EUXENITE_SEED=N` to begin with another game; `fuzz/fuzz_targets/hypercalls.rs` plays the same
//! by a fuzzer's bytes.

pub(crate) mod calls;
pub(crate) mod choices;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use abi::arm::{GICV3_DISTRIBUTOR, GICV3_REDISTRIBUTORS, VIRTUAL_TIMER, vcpu_affinity};
use abi::evtchn::{ExpandArray, InitControl, op};
use abi::{CpuId, Ipa, Pa, Range, psci};
use hypervisor::chores::Chore;
use lifecycle::{DomainState, Reason};
use machine::exit::Exit;
use machine::guest::Guest;

use crate::bench::{Bench, ENTRY, Setup, Who, id};
use crate::trees::Node;
use crate::xen::{call, enhanced, events, map_shared_info, operate};
use calls::{Call, Caller, SHARED, SHARED_PAGES};
use choices::Choices;

/// The vCPUs that make calls.
const PLAYERS: [Who; 3] = [(1, 0), (1, 1), (2, 0)];
/// Who must not notice.
const NEIGHBOUR: Who = (3, 0);
/// Turns in which a vCPU that has a call to make must come to an end with it.
const PATIENCE: u32 = 400_000;

/// A game: a machine and what must be so at its end.
struct Game {
    bench: Bench,
    /// The neighbour's memory, and what was in it.
    kept: Vec<(Range, Vec<u8>)>,
    /// Calls that came to an end.
    done: Arc<AtomicU64>,
    /// A result was none that the ABI has.
    strange: Arc<AtomicBool>,
    /// What each player has not done yet, at the last look, and for how many turns.
    waiting: [(usize, u32); PLAYERS.len()],
    /// The call that each was given last.
    last: [(u64, [u64; 5]); PLAYERS.len()],
}

fn channel(handle: u32, port: u32, peer: u32) -> Node {
    Node::new(&format!("channel@{handle}"))
        .text("compatible", "xen,evtchn-v1")
        .cells("phandle", &[handle])
        .cells("xen,evtchn", &[port, peer])
}

impl Game {
    fn new() -> Self {
        let domains = vec![
            enhanced(1, 2).child(channel(1, 10, 2)),
            enhanced(2, 1).child(channel(2, 11, 1)),
            enhanced(3, 1),
        ];
        let mut bench = Setup::with(domains).command_line("").cpus(2).boot();
        let start = [vcpu_affinity(1), ENTRY, 0];
        assert_eq!(bench.hvc((1, 0), psci::CPU_ON_64, start), 0);
        for who in PLAYERS {
            let frame = GICV3_REDISTRIBUTORS.start() + u64::from(who.1) * 0x2_0000 + 0x1_0000;
            bench.store(who, GICV3_DISTRIBUTOR.start(), 0x12);
            bench.store(who, frame + 0x80, u32::MAX);
            bench.store(who, frame + 0x100, 1 << VIRTUAL_TIMER.0 | 1 << 31);
        }
        let kept = Vec::new();
        let mut game = Self {
            bench,
            kept,
            done: Arc::default(),
            strange: Arc::default(),
            waiting: [(0, 0); PLAYERS.len()],
            last: [(0, [0; 5]); PLAYERS.len()],
        };
        game.fill_neighbour();
        game
    }

    /// Fills the neighbour's memory, and keeps what is in it and in the pages that it could share.
    fn fill_neighbour(&mut self) {
        self.bench.settle();
        let ranges = {
            let mut token = self.bench.machine.token();
            let domain = self.bench.domain(NEIGHBOUR.0);
            let life = domain.control.lock(&mut token);
            let memory = life.memory.as_ref().unwrap();
            let banks = memory.banks.iter().map(|bank| bank.extent.range());
            banks.chain([memory.own.range()]).collect::<Vec<_>>()
        };
        let bytes: Vec<u8> = (0..calls::BYTES).map(|at| (at % 251) as u8).collect();
        self.write(NEIGHBOUR, ENTRY, &bytes);
        let now = |range: &Range| {
            self.bench
                .machine
                .peek(Pa(range.start()), range.size() as usize)
        };
        self.kept = ranges.iter().map(|range| (*range, now(range))).collect();
    }

    /// The guests begin as kernels do, one way or the other: with shared pages, grants, FIFO.
    fn open(&mut self, choices: &mut Choices<'_>) {
        for who in [(1, 0), (2, 0)] {
            let bench = &mut self.bench;
            if choices.one_in(8) {
                continue;
            }
            let page = |index: u64| SHARED / 4096 + index;
            let map = abi::memory::AddToPhysmap {
                domid: abi::DomId::SELF,
                space: abi::memory::space::GRANT_TABLE,
                gpfn: page(0),
                ..Default::default()
            };
            let command = abi::memory::op::ADD_TO_PHYSMAP;
            let number = abi::hypercall::MEMORY_OP;
            assert_eq!(operate(bench, who, number, command, map.to_bytes()).0, 0);
            assert_eq!(map_shared_info(bench, who, page(1) * 4096), 0);
            for gref in 8..12 {
                self.grant(who, gref, choices);
            }
            if choices.one_in(2) {
                self.open_fifo(who);
            }
        }
    }

    /// Control blocks for all vCPUs, and an array page. (Without FIFO in the build it is not there.)
    fn open_fifo(&mut self, who: Who) {
        for vcpu in 0..2 {
            let control = InitControl {
                control_gfn: SHARED / 4096 + 2 + u64::from(vcpu),
                vcpu,
                ..Default::default()
            };
            let _ = events(&mut self.bench, who, op::INIT_CONTROL, control.to_bytes());
        }
        let array_gfn = SHARED / 4096 + 4;
        let array = ExpandArray { array_gfn };
        let _ = events(&mut self.bench, who, op::EXPAND_ARRAY, array.to_bytes());
    }

    /// Writes an entry of the grant table, if it is where it usually is.
    fn grant(&mut self, who: Who, gref: u64, choices: &mut Choices<'_>) {
        let flags = choices.of(&[1u32, 1, 1, 5, 0, 3, 0x19]);
        let to = choices.of(&[1 << 16, 2 << 16, 3 << 16]);
        let frame = choices.of(&[0x4_0200, 0x4_0201, 0x4_0203, 0x4_0110, 0x5_0000, u32::MAX]);
        let word = u64::from(flags | to) | u64::from(frame) << 32;
        self.write(who, SHARED + gref * 8, &word.to_le_bytes());
    }

    /// Something happens.
    fn step(&mut self, choices: &mut Choices<'_>) {
        let player = choices.below(PLAYERS.len() as u64) as usize;
        let who = PLAYERS[player];
        if self.has_ended(who) {
            self.bench.turn(choices.below(2) as u16);
            return;
        }
        match choices.below(10) {
            0 => self.scribble(who, choices),
            1 => self.take_interrupt(who),
            2 => {
                let ticks = choices.below(60_000);
                self.bench.machine.advance(ticks);
            }
            3..7 => {
                if self.bench.machine.steps_left(id(who)) == 0 {
                    let call = Caller::new(choices, player as u64).call();
                    self.last[player] = (call.number, call.arguments);
                    self.issue(who, call);
                }
            }
            _ => {
                self.bench.turn(choices.below(2) as u16);
            }
        }
        self.watch();
    }

    fn state(&self, (domain, _): Who) -> DomainState {
        let mut token = self.bench.machine.token();
        let life = self.bench.domain(domain).control.lock(&mut token);
        life.state.state()
    }

    /// Whether its domain has ended, by a call of its own or a watchdog.
    fn has_ended(&self, who: Who) -> bool {
        self.state(who) != DomainState::Running
    }

    /// Whether nobody is left to make calls.
    fn is_over(&self) -> bool {
        PLAYERS.iter().all(|who| self.has_ended(*who))
    }

    fn issue(&mut self, who: Who, call: Call) {
        for (at, bytes) in &call.writes {
            self.write(who, *at, bytes);
        }
        let end = End {
            done: self.done.clone(),
            strange: self.strange.clone(),
        };
        let (number, arguments) = (call.number, call.arguments);
        self.bench.machine.script(id(who), move |guest| {
            guest.set_pc(ENTRY);
            guest.set_x(16, number);
            guest.set_x(4, arguments[4]);
            guest.then(move |guest| end.come(guest));
            // So that a wait has an end.
            let at = guest.virtual_count() + 10_000;
            guest.set_el1(|el1| (el1.cntv_cval, el1.cntv_ctl) = (at, 1));
            let [a, b, c, d, _] = arguments;
            guest.hvc(abi::hypercall::HVC_IMMEDIATE, [a, b, c, d])
        });
    }

    /// As the guest would, where it has memory.
    fn write(&mut self, (domain, _): Who, at: u64, bytes: &[u8]) {
        self.bench.machine.enter(CpuId(0));
        let domain = self.bench.domain(domain);
        let mut token = self.bench.machine.token();
        let mut life = domain.control.lock(&mut token);
        if let Some(memory) = &mut life.memory {
            let _ = memory.write(Ipa(at), bytes);
        }
    }

    /// A guest changes words that it shares: event words, control blocks, grant entries.
    fn scribble(&mut self, who: Who, choices: &mut Choices<'_>) {
        let at = SHARED + choices.below(SHARED_PAGES * 512) * 8;
        let (at, word) = match choices.below(4) {
            0 => {
                let gref = choices.of(&[8, 9, 10, 11]);
                return self.grant(who, gref, choices);
            }
            // The pages' beginnings are used most.
            1 => ((at & !0xfff) + choices.below(32) * 8, choices.any()),
            2 => (
                (at & !0xfff) + choices.below(32) * 8,
                choices.of(&[0, 1 << 31, 1 << 63]),
            ),
            _ => (at, choices.of(&[0, u64::MAX, 1 << 31, 3 << 30])),
        };
        self.write(who, at, &word.to_le_bytes());
    }

    fn take_interrupt(&mut self, who: Who) {
        if self.bench.machine.steps_left(id(who)) != 0 {
            return;
        }
        self.bench.machine.script(id(who), move |guest| {
            let intid = guest.acknowledge()?;
            guest.end(intid);
            None
        });
    }

    /// Whoever has something to do comes to do it.
    fn watch(&mut self) {
        assert!(
            !self.strange.load(Ordering::Relaxed),
            "a result that no errno is"
        );
        for (player, who) in PLAYERS.into_iter().enumerate() {
            if self.has_ended(who) {
                self.bench.machine.forget_script(id(who));
            }
            let left = self.bench.machine.steps_left(id(who));
            let (before, turns) = &mut self.waiting[player];
            *turns = if left == 0 || left < *before {
                0
            } else {
                *turns + 1
            };
            *before = left;
            if *turns >= PATIENCE {
                let last = self.last[player];
                self.hangs(who, last);
            }
        }
    }

    fn hangs(&mut self, who: Who, last: (u64, [u64; 5])) -> ! {
        let slot = self.bench.slot(who);
        let asleep = slot.asleep.load(Ordering::SeqCst);
        let (pc, cpu) = (self.bench.pc(who), self.bench.cpu_of(who));
        panic!("{who:?} hangs: asleep {asleep}, PC {pc:#x}, on {cpu:?}, call {last:#x?}");
    }

    /// All calls come to an end; both domains end; the neighbour has not noticed. How much memory
    /// is free then, if all is given back.
    fn end(mut self) -> Option<u64> {
        for _ in 0..PATIENCE {
            let left = |who: &Who| self.bench.machine.steps_left(id(*who));
            if PLAYERS.iter().all(|who| left(who) == 0) {
                break;
            }
            self.bench.machine.advance(20_000);
            self.bench.round();
            self.watch();
        }
        for domain in [1, 2] {
            if self.has_ended((domain, 0)) {
                continue;
            }
            let function = u64::from(psci::SYSTEM_OFF);
            self.bench
                .run((domain, 0), move |guest| guest.hvc(0, [function, 0, 0, 0]));
        }
        for _ in 0..PATIENCE {
            // Guests that go on give way when their time is used up.
            self.bench.machine.advance(20_000);
            self.bench.round();
            if !self.bench.system.chores.has(Chore::Reclaim) {
                break;
            }
        }
        for (range, before) in &self.kept {
            let now = self
                .bench
                .machine
                .peek(Pa(range.start()), range.size() as usize);
            assert!(*before == now, "the neighbour's memory has changed");
        }
        assert_eq!(self.bench.hvc(NEIGHBOUR, psci::VERSION, [0; 3]), 0x1_0001);
        let version = call(
            &mut self.bench,
            NEIGHBOUR,
            abi::hypercall::XEN_VERSION,
            [0; 5],
        );
        assert_eq!(version, 0x4_0014);
        assert!(
            !self.bench.system.chores.has(Chore::Reclaim),
            "memory is not given back"
        );
        // One that suspended itself keeps its memory: it could be resumed.
        let suspended = DomainState::Stopped(Reason::Suspend);
        if PLAYERS.iter().any(|who| self.state(*who) == suspended) {
            return None;
        }
        let mut token = self.bench.machine.token();
        Some(self.bench.system.frames.lock(&mut token).free_bytes())
    }
}

/// What comes behind a call.
struct End {
    done: Arc<AtomicU64>,
    strange: Arc<AtomicBool>,
}

impl End {
    /// The call is over, or goes on with the same instruction.
    fn come(self, guest: &mut Guest<'_>) -> Option<Exit> {
        if guest.pc() == ENTRY {
            guest.set_pc(ENTRY + 4);
            guest.then(move |guest| self.come(guest));
            return Some(Exit::Hvc(abi::hypercall::HVC_IMMEDIATE));
        }
        let result = guest.x(0) as i64;
        if (-4095..0).contains(&result) && !is_errno(result) {
            self.strange.store(true, Ordering::Relaxed);
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        None
    }
}

fn is_errno(result: i64) -> bool {
    use abi::Errno::*;
    let all = [
        Perm, NoEnt, Srch, TooBig, Fault, Inval, NoSys, Busy, Exist, NoMem, NoSpc, NoBufs,
        OpNotSupp, Acces, Again, NoDev, NxIo,
    ];
    all.iter().any(|errno| errno.as_result() == result)
}

/// A game until `calls` calls are done or nothing is left to decide by. How many were done, and how
/// much memory is free behind it, if all is given back.
pub(crate) fn play(choices: &mut Choices<'_>, calls: u64) -> (u64, Option<u64>) {
    let mut game = Game::new();
    game.open(choices);
    let done = game.done.clone();
    while done.load(Ordering::Relaxed) < calls && !choices.is_over() && !game.is_over() {
        game.step(choices);
    }
    let free = game.end();
    (done.load(Ordering::Relaxed), free)
}

/// Calls in one game.
#[cfg(test)]
const CALLS_A_GAME: u64 = 4_000;

#[cfg(test)]
fn variable(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect(name))
}

#[test]
fn random_hypercalls_end_and_disturb_nobody() {
    let wanted = variable("EUXENITE_CALLS", 20_000);
    let (_, free) = play(&mut Choices::seeded(0), 0);
    let mut seed = variable("EUXENITE_SEED", 1);
    let mut done = 0;
    while done < wanted {
        println!("seed {seed}, {done} calls done");
        let (count, left) = play(&mut Choices::seeded(seed), CALLS_A_GAME);
        assert!(left.is_none_or(|left| Some(left) == free), "seed {seed}");
        done += count;
        seed += 1;
    }
}

#[test]
fn bytes_decide_as_well() {
    let mut random = Choices::seeded(77);
    let bytes: Vec<u8> = (0..8_000).map(|_| random.any() as u8).collect();
    let (_, free) = play(&mut Choices::seeded(0), 0);
    let (done, left) = play(&mut Choices::Bytes(&bytes), u64::MAX);
    assert!(done > 50, "{done} calls");
    assert!(left.is_none_or(|left| Some(left) == free));
}
