//! How many ports a domain may open: `euxenite,max-evtchn-port`.

use abi::evtchn::{BindIpi, op};
use abi::{Errno, Port};

use crate::bench::{Bench, Setup, Who};
use crate::xen::{enhanced, events, failed, open_ipi};

const A: Who = (1, 0);

fn with_limit(most: u32) -> Bench {
    let domain = enhanced(1, 1).cells("euxenite,max-evtchn-port", &[most]);
    Setup::with(vec![domain]).boot()
}

/// Opens the ports from 1 to `last`, and says what the next one gives.
fn open_up_to(bench: &mut Bench, last: u32) -> i64 {
    for port in 1..=last {
        assert_eq!(open_ipi(bench, A, 0), Port(port));
    }
    let (result, _) = events(bench, A, op::BIND_IPI, BindIpi::default().to_bytes());
    result
}

#[test]
fn a_domain_has_1023_ports_by_default() {
    let mut bench = Setup::with(vec![enhanced(1, 1)]).boot();
    assert_eq!(open_up_to(&mut bench, 1023), failed(Errno::NoSpc));
}

#[test]
fn a_domain_has_as_many_ports_as_its_node_says() {
    for most in [1, 63, 64, 2000] {
        let mut bench = with_limit(most);
        assert_eq!(open_up_to(&mut bench, most), failed(Errno::NoSpc), "{most}");
    }
}

#[test]
fn with_2_level_there_are_4095_however_many_are_allowed() {
    let mut bench = with_limit(131_071);
    assert_eq!(open_up_to(&mut bench, 4095), failed(Errno::NoSpc));
}

#[cfg(feature = "fifo-evtchn")]
#[test]
fn with_fifo_there_may_be_100_000_and_the_last_one_is_heard() {
    use abi::arm::EVENT_UPCALL;
    use abi::evtchn::{ExpandArray, fifo};

    use crate::bench::ENTRY;
    use crate::event_channels::{enable_upcall, init_control, taken};
    use crate::xen::{SHARED, get, map_shared_info, on_port};

    // Its device tree is before that.
    const WORDS: u64 = ENTRY + (3 << 20);
    const LAST: u32 = 100_000;

    let mut bench = with_limit(fifo::PORTS - 1);
    assert_eq!(map_shared_info(&mut bench, A, SHARED), 0);
    enable_upcall(&mut bench, A);
    assert_eq!(init_control(&mut bench, (SHARED >> 12) + 1), (0, 17));
    for page in 0..u64::from(LAST / fifo::WORDS_PER_PAGE + 1) {
        let array_gfn = (WORDS >> 12) + page;
        let wanted = ExpandArray { array_gfn }.to_bytes();
        assert_eq!(events(&mut bench, A, op::EXPAND_ARRAY, wanted).0, 0);
    }
    assert_eq!(open_up_to(&mut bench, LAST), 0);
    assert_eq!(on_port(&mut bench, A, op::SEND, Port(LAST)), 0);
    assert_eq!(taken(&mut bench, A), Some(EVENT_UPCALL));
    let word = get(&mut bench, A, WORDS + 4 * u64::from(LAST));
    assert_eq!(u32::from_le_bytes(word), fifo::PENDING | fifo::LINKED);
}
