//! What `event_channel_op` answers in detail: errors told apart, and what a structure keeps.

use abi::evtchn::{AllocUnbound, Status, op};
use abi::{DomId, Errno, Port};

use crate::bench::Who;
use crate::xen::{events, failed, two};

const A: Who = (1, 0);

#[test]
fn a_port_for_nobody_is_told_from_one_for_another_domain() {
    let mut bench = two();
    let alloc = |remote_dom| AllocUnbound {
        dom: DomId::SELF,
        remote_dom,
        port: Port(0),
    };
    for (remote, errno) in [
        (DomId(0), Errno::Srch),
        (DomId(9), Errno::Srch),
        (DomId::INVALID, Errno::Srch),
        (DomId(2), Errno::Perm),
    ] {
        let bytes = alloc(remote).to_bytes();
        let (result, _) = events(&mut bench, A, op::ALLOC_UNBOUND, bytes);
        assert_eq!(result, failed(errno), "{remote:?}");
    }
}

#[test]
fn a_status_leaves_the_padding_behind_the_domain_alone() {
    let mut bench = two();
    let alloc = AllocUnbound {
        dom: DomId::SELF,
        remote_dom: DomId::SELF,
        port: Port(0),
    };
    let (result, _) = events(&mut bench, A, op::ALLOC_UNBOUND, alloc.to_bytes());
    assert_eq!(result, 0);
    let wanted = Status {
        dom: DomId::SELF,
        port: Port(1),
        detail: 0xaaaa_bbbb,
        ..Status::default()
    };
    let (_, bytes) = events(&mut bench, A, op::STATUS, wanted.to_bytes());
    assert_eq!(Status::from_bytes(&bytes).detail, 0xaaaa_0001);
}
