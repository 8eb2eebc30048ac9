//! RAM that is zeroed on demand: by whatever a guest does first there, by hypercalls, and by CPUs that
//! idle. All of the host's RAM holds something else before.

use abi::grant::{Copy, CopyEnd, GrantStatus, copy_flag, entry, op as grant_op};
use abi::hypercall::{GRANT_TABLE_OP, MEMORY_OP, XEN_VERSION};
use abi::memory::{AddToPhysmap, RemoveFromPhysmap, Reservation, op, space};
use abi::{CpuId, DomId, Ipa, PAGE_SIZE, Pa, Range, psci};
use hypervisor::domain::zeroing::PART;
use machine::exit::{DataAbort, Exit};
use machine::guest::Guest;

use crate::bench::{Bench, ENTRY, Setup, Who, small};
use crate::xen::{ARGUMENT, ARRAY, SHARED, call, enhanced, get, operate, put};

const A: Who = (1, 0);
const BLOCK: u64 = 2 << 20;
/// A block that waits.
const FRESH: u64 = ENTRY + 4 * BLOCK;
/// What the host's RAM is full of.
const STALE: u8 = 0xa5;
/// Exits in which a block is zeroed.
const SLICES: usize = 8;
/// Bytes of a domain.
const BYTES: u64 = 8 * BLOCK;

/// A machine with nothing but old data in its RAM, where kernels and image are not.
pub(crate) fn stale(setup: Setup) -> Setup {
    let fill = |from: u64, to: u64| vec![STALE; (to - from) as usize];
    setup
        .load(0x4010_0000, fill(0x4010_0000, 0x4200_0000))
        .load(0x4200_2000, fill(0x4200_2000, 0x4400_0000))
}

/// One CPU and one domain that is told of the hypervisor, so that no CPU idles.
fn alone() -> Bench {
    with(enhanced(1, 1)).boot()
}

fn with(node: crate::trees::Node) -> Setup {
    let node = node.cells("memory", &[0, (BYTES >> 10) as u32]);
    stale(Setup::with(vec![node]).cpus(1))
}

fn waits(bench: &Bench, at: u64) -> bool {
    let mut token = bench.machine.token();
    let life = bench.domain(1).control.lock(&mut token);
    life.memory.as_ref().unwrap().waits(Ipa(at))
}

fn banks(bench: &Bench) -> Vec<Range> {
    let mut token = bench.machine.token();
    let life = bench.domain(1).control.lock(&mut token);
    let banks = &life.memory.as_ref().unwrap().banks;
    banks.iter().map(|bank| bank.extent.range()).collect()
}

/// The machine's address of a guest's.
fn machine_address(bench: &Bench, at: u64) -> Pa {
    let [bank] = banks(bench)[..] else {
        panic!("one bank")
    };
    Pa(bank.start() + at - ENTRY)
}

fn content(bench: &Bench, at: u64, bytes: u64) -> Vec<u8> {
    bench
        .machine
        .peek(machine_address(bench, at), bytes as usize)
}

fn is_all(bytes: &[u8], value: u8) -> bool {
    bytes == vec![value; bytes.len()]
}

/// Has A try an access until it passes; how often it was stopped.
fn until_it_passes(
    bench: &mut Bench,
    access: impl Fn(&mut Guest<'_>) -> Option<Exit> + Send + Clone + 'static,
) -> usize {
    for stopped in 0..100 {
        let tried = access.clone();
        let passed = bench.ask(A, move |guest| {
            guest.set_pc(ENTRY);
            let exit = tried(guest);
            let passed = exit.is_none();
            if let Some(exit) = exit {
                guest.then(move |_| Some(exit));
            }
            passed
        });
        if passed {
            return stopped;
        }
        bench.ask(A, |_| ());
        let pc = bench.pc(A);
        assert!((ENTRY..ENTRY + 4 * BLOCK + 4).contains(&pc), "no exception");
        assert_ne!(pc, 0x200);
    }
    panic!("the access never passes")
}

#[test]
fn what_holds_an_image_is_ready_and_the_rest_waits() {
    let mut bench = alone();
    assert!(!waits(&bench, ENTRY) && waits(&bench, FRESH));
    assert_eq!(bench.load(A, ENTRY), 0x0101_0101);
    let behind = content(&bench, ENTRY + 0x1000, BLOCK - 0x1000);
    assert!(is_all(&behind, 0), "the rest of a block with an image");
    assert!(is_all(&content(&bench, FRESH, BLOCK), STALE));
    let cpu = bench.cpu_of(A).unwrap();
    assert_eq!(bench.machine.translate(cpu, Ipa(FRESH)), None);
}

#[test]
fn with_bootscrub_on_nothing_waits() {
    let mut bench = with(enhanced(1, 1)).command_line("bootscrub=on").boot();
    assert!(!waits(&bench, FRESH));
    assert_eq!(
        until_it_passes(&mut bench, |guest| guest.load(Ipa(FRESH))),
        0
    );
    assert!(is_all(&content(&bench, FRESH, BLOCK), 0));
}

#[test]
fn a_block_is_zeroed_in_slices_when_its_guest_touches_it() {
    for address in [FRESH, FRESH + BLOCK / 2 + 8, FRESH + BLOCK - 4] {
        let mut bench = alone();
        let stopped = until_it_passes(&mut bench, move |guest| guest.load(Ipa(address)));
        assert_eq!(stopped, SLICES);
        assert!(is_all(&content(&bench, FRESH, BLOCK), 0));
        assert!(is_all(&content(&bench, FRESH - BLOCK, BLOCK), STALE));
        assert!(is_all(&content(&bench, FRESH + BLOCK, BLOCK), STALE));
        assert_eq!(bench.load(A, address), 0);
    }
}

#[test]
fn until_all_of_a_block_is_zeroed_none_of_it_is_mapped() {
    let mut bench = alone();
    for slice in 0..SLICES {
        let cpu = bench.cpu_of(A);
        for page in (FRESH..FRESH + BLOCK).step_by(PAGE_SIZE as usize) {
            let mapped = cpu.and_then(|cpu| bench.machine.translate(cpu, Ipa(page)));
            assert_eq!(mapped, None, "slice {slice}");
        }
        bench.store(A, FRESH + 8, 1);
    }
    let cpu = bench.cpu_of(A).unwrap();
    let mapped = bench.machine.translate(cpu, Ipa(FRESH)).unwrap();
    assert_eq!(mapped.address, machine_address(&bench, FRESH));
    assert_eq!(mapped.descriptor & 3, 1, "by one block");
}

#[test]
fn a_fetch_brings_its_block() {
    let mut bench = alone();
    let stopped = until_it_passes(&mut bench, |guest| guest.fetch(Ipa(FRESH)));
    assert_eq!(stopped, SLICES);
    assert!(is_all(&content(&bench, FRESH, BLOCK), 0));
}

#[test]
fn a_walk_of_the_guests_own_tables_brings_their_block() {
    let mut bench = alone();
    let stopped = until_it_passes(&mut bench, |guest| {
        guest.set_el1(|el1| el1.ttbr0 = FRESH);
        guest.load(Ipa(ENTRY))
    });
    assert_eq!(stopped, SLICES);
}

#[test]
fn an_access_that_the_syndrome_does_not_describe_is_made_anew() {
    let mut bench = alone();
    for slice in 0..SLICES {
        assert!(waits(&bench, FRESH), "{slice}");
        let pair = Exit::DataAbort(DataAbort::refused(Ipa(FRESH), None));
        bench.run(A, move |guest| {
            guest.set_pc(ENTRY);
            Some(pair)
        });
        assert_eq!(bench.pc(A), ENTRY, "no abort");
    }
    assert!(!waits(&bench, FRESH));
}

#[test]
fn where_nothing_reads_as_ones_ram_does_not() {
    let mut bench = with(small(1, 1).cells("trap-unmapped-accesses", &[0])).boot();
    let stopped = until_it_passes(&mut bench, |guest| guest.load(Ipa(FRESH)));
    assert_eq!(stopped, SLICES);
    assert_eq!(bench.load(A, FRESH), 0);
}

#[test]
fn a_hypercall_reads_and_writes_what_nobody_has_touched() {
    let mut bench = alone();
    // The name and value of XENVER_extraversion, at the end of one part and the start of the next.
    let at = FRESH + 3 * PART - 4;
    assert_eq!(call(&mut bench, A, XEN_VERSION, [1, at, 0, 0, 0]), 0);
    let text: [u8; 16] = get(&mut bench, A, at);
    assert_ne!(text[0], 0);
    assert_eq!(text[15], 0);
    assert!(
        waits(&bench, FRESH),
        "what it needs, and not the whole block"
    );
    let parts = content(&bench, FRESH, BLOCK);
    let of = |part: u64| &parts[(part * PART) as usize..((part + 1) * PART) as usize];
    assert!(is_all(of(1), STALE) && is_all(of(4), STALE));
    // An argument of zeros: event channel operation 0 on port 0 of domain 0 is refused as such.
    let read: [u8; 8] = get(&mut bench, A, FRESH + 20 * PART);
    assert_eq!(read, [0; 8]);
    // The guest finds it when it comes.
    until_it_passes(&mut bench, |guest| guest.load(Ipa(FRESH)));
    assert_eq!(content(&bench, at, 16), text);
    let before = content(&bench, FRESH, at - FRESH);
    let behind = content(&bench, at + 16, FRESH + BLOCK - at - 16);
    assert!(is_all(&before, 0) && is_all(&behind, 0));
}

#[test]
fn a_hypercall_whose_pointer_goes_through_untouched_tables_is_made_anew() {
    let mut bench = alone();
    bench.ask(A, |guest| guest.set_el1(|el1| el1.ttbr0 = FRESH));
    assert_eq!(
        call(&mut bench, A, XEN_VERSION, [1, ENTRY + 0x2000, 0, 0, 0]),
        0
    );
    assert!(!waits(&bench, FRESH));
    // Where there is no RAM it is refused, in the end.
    let mut bench = alone();
    bench.ask(A, |guest| guest.set_el1(|el1| el1.ttbr0 = 1 << 38));
    let result = call(&mut bench, A, XEN_VERSION, [1, ENTRY + 0x2000, 0, 0, 0]);
    assert_eq!(result, abi::Errno::Fault.as_result());
}

#[test]
fn pages_are_mapped_and_taken_away_where_nobody_has_touched_the_ram() {
    let mut bench = alone();
    let shared = AddToPhysmap {
        domid: DomId::SELF,
        space: space::SHARED_INFO,
        gpfn: FRESH >> 12,
        ..AddToPhysmap::default()
    };
    let memory = |bench: &mut Bench, command, bytes: &[u8]| {
        put(bench, A, ARGUMENT, bytes);
        call(bench, A, MEMORY_OP, [command, ARGUMENT, 0, 0, 0])
    };
    let add = u64::from(op::ADD_TO_PHYSMAP);
    assert_eq!(memory(&mut bench, add, &shared.to_bytes()), 0);
    let block = content(&bench, FRESH + PAGE_SIZE, BLOCK - PAGE_SIZE);
    assert!(!waits(&bench, FRESH) && is_all(&block, 0));
    let remove = RemoveFromPhysmap {
        domid: DomId::SELF,
        gpfn: (FRESH + BLOCK) >> 12,
    };
    let command = op::REMOVE_FROM_PHYSMAP.into();
    assert_eq!(memory(&mut bench, command, &remove.to_bytes()), 0);
    assert!(!waits(&bench, FRESH + BLOCK));
    // Three pages, the last of which begins a block of its own.
    let frames = [0, PAGE_SIZE, BLOCK].map(|offset| (FRESH - BLOCK + offset) >> 12);
    for (index, frame) in (0..).zip(frames) {
        put(&mut bench, A, ARRAY + index * 8, &frame.to_le_bytes());
    }
    let reservation = Reservation {
        extent_start: ARRAY,
        nr_extents: 2,
        domid: DomId::SELF,
        ..Reservation::default()
    };
    let command = op::DECREASE_RESERVATION.into();
    let done = memory(&mut bench, command, &reservation.to_bytes());
    assert_eq!(done, 2);
    let command = op::POPULATE_PHYSMAP.into();
    assert_eq!(memory(&mut bench, command, &reservation.to_bytes()), 2);
    assert_eq!(bench.load(A, FRESH - BLOCK + PAGE_SIZE), 0);
}

#[test]
fn a_page_that_nobody_has_touched_is_granted_as_zeros() {
    let b = (2, 0);
    let nodes = [1, 2].map(|number| enhanced(number, 1).cells("memory", &[0, 12 << 10]));
    let mut bench = stale(Setup::with(nodes.to_vec()).cpus(1)).boot();
    let fresh = ENTRY + 2 * BLOCK + 5 * PART;
    assert!(waits(&bench, fresh));
    // A's grant table, and a page of the block in it.
    let table = AddToPhysmap {
        domid: DomId::SELF,
        space: space::GRANT_TABLE,
        gpfn: SHARED >> 12,
        ..AddToPhysmap::default()
    };
    let (result, _) = operate(
        &mut bench,
        A,
        MEMORY_OP,
        op::ADD_TO_PHYSMAP,
        table.to_bytes(),
    );
    assert_eq!(result, 0);
    let word = u64::from(entry::PERMIT_ACCESS) | 2 << 16 | fresh >> 12 << 32;
    put(&mut bench, A, SHARED + 9 * 8, &word.to_le_bytes());
    put(&mut bench, b, ARRAY, b"from B");
    let end = |place, domid| CopyEnd {
        place,
        domid,
        offset: 0,
    };
    for (source, dest, flags) in [
        // All of it to B, then some of B's into it.
        (
            end(9, DomId(1)),
            end(fresh >> 12, DomId::SELF),
            copy_flag::SOURCE_GREF,
        ),
        (
            end(ARRAY >> 12, DomId::SELF),
            end(9, DomId(1)),
            copy_flag::DEST_GREF,
        ),
    ] {
        let wanted = Copy {
            source,
            dest,
            len: if flags == copy_flag::SOURCE_GREF {
                4096
            } else {
                6
            },
            flags,
            status: 0,
        };
        put(&mut bench, b, ARGUMENT, &wanted.to_bytes());
        let arguments = [grant_op::COPY.into(), ARGUMENT, 1, 0, 0];
        assert_eq!(call(&mut bench, b, GRANT_TABLE_OP, arguments), 0);
        let answer = Copy::from_bytes(&get(&mut bench, b, ARGUMENT));
        assert_eq!(answer.status, GrantStatus::Okay as i16);
    }
    let copied: [u8; 4096] = get(&mut bench, b, fresh);
    assert!(is_all(&copied, 0));
    // A, which comes only now, finds what B wrote.
    until_it_passes(&mut bench, move |guest| guest.load(Ipa(fresh)));
    assert_eq!(&content(&bench, fresh, 6), b"from B");
    assert!(is_all(&content(&bench, fresh + 6, PART - 6), 0));
}

#[test]
fn a_cpu_that_idles_zeroes_a_little_at_a_time() {
    let mut bench = with(small(1, 1)).boot();
    bench
        .machine
        .script(crate::bench::id(A), |guest| guest.wait());
    // Each part in whole, so that some byte of it tells.
    let zeros = |bench: &Bench| {
        let all = content(bench, ENTRY, BYTES);
        let parts = all.chunks(PART as usize);
        PART * parts.filter(|part| part[4097] != STALE).count() as u64
    };
    let mut before = zeros(&bench);
    for _ in 0..40 {
        bench.turn(0);
        let now = zeros(&bench);
        assert!(now - before <= PART, "{} bytes in one go", now - before);
        before = now;
    }
    assert!(before > 20 * PART);
    // To the end; then it waits for an interrupt as ever.
    for _ in 0..1000 {
        bench.turn(0);
    }
    assert!(!waits(&bench, FRESH));
    assert!(is_all(&content(&bench, FRESH, BLOCK), 0));
    assert_eq!(bench.turn(0), crate::bench::Turn::Idled);
    assert!(!bench.machine.take_waited(CpuId(0)), "it waits");
    assert_eq!(content(&bench, ENTRY, 2), [1, 1], "the kernel is there");
}

#[test]
fn of_a_domain_that_ends_only_what_was_touched_is_zeroed() {
    for function in [psci::SYSTEM_OFF, psci::SYSTEM_RESET] {
        let mut bench = alone();
        let bank = banks(&bench)[0];
        // One block is ready, one half zeroed, of one a part was used.
        until_it_passes(&mut bench, |guest| guest.store(Ipa(FRESH), 0x1234));
        bench.store(A, FRESH + BLOCK, 1);
        let used = FRESH + 2 * BLOCK + 7 * PART;
        put(&mut bench, A, used, b"used");
        bench.run(A, move |guest| guest.hvc(0, [u64::from(function), 0, 0, 0]));
        bench.settle();
        assert!(bench.output().contains("d1: memory zeroed and given back"));
        let left = bench.machine.peek(Pa(bank.start()), BYTES as usize);
        let at = |address: u64, bytes: u64| {
            let from = (address - ENTRY) as usize;
            &left[from..from + bytes as usize]
        };
        assert!(is_all(at(ENTRY, BLOCK), 0));
        assert!(is_all(at(FRESH, BLOCK), 0));
        assert!(is_all(at(used, PART), 0));
        assert!(is_all(at(FRESH - BLOCK, BLOCK), STALE), "never touched");
    }
}

#[test]
fn ram_that_is_mapped_by_pages_is_zeroed_at_the_start() {
    // It begins in the midst of a block.
    let node = enhanced(1, 1)
        .cells("memory", &[0, 8 << 10])
        .cells("xen,static-mem", &[0, 0x4270_0000, 0, 8 << 20]);
    let mut bench = stale(Setup::with(vec![node]).cpus(1)).boot();
    let bank = banks(&bench)[0];
    assert_eq!(bank.start(), 0x4270_0000);
    assert!(!waits(&bench, ENTRY + 2 * BLOCK));
    assert_eq!(bench.load(A, ENTRY + 2 * BLOCK), 0);
    let rest = content(&bench, ENTRY + 2 * BLOCK, BLOCK);
    assert!(is_all(&rest, 0));
}
