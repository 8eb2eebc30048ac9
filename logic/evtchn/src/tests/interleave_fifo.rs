//! Every interleaving of the hypervisor with a guest on FIFO, by loom.

use abi::Port;
use abi::evtchn::fifo::{HEADS_OFFSET, LINKED, PENDING, READY_OFFSET};
use loom::sync::{Arc, Mutex};

use super::bench::OWN;
use super::guest::Consumer;
use super::interleave::{Page, explore};
use crate::{Config, Events, SharedPage, Side};

const QUEUE: u32 = 7;

/// A domain with a vCPU on FIFO, words for ports 0 to 3, and two queues.
fn domain() -> (Arc<Mutex<Events<Page>>>, Consumer<Page>) {
    let config = Config {
        domain: OWN,
        vcpus: 1,
        max_port: Port(1023),
    };
    let mut events = Events::new(config, Page::shared_info()).unwrap();
    let heads = [QUEUE, 15].map(|queue| HEADS_OFFSET + 4 * queue);
    let control = Page::new(&[READY_OFFSET, heads[0], heads[1]], &[]);
    let words = Page::new(&[0, 4, 8, 12], &[]);
    events.init_control(0, control.clone(), 0).unwrap();
    let _ = events.expand_array(words.clone()).unwrap();
    let guest = Consumer::new(control, vec![words], loom::thread::yield_now);
    (Arc::new(Mutex::new(events)), guest)
}

fn open(events: &Mutex<Events<Page>>) -> Port {
    events.lock().unwrap().bind_ipi(0).unwrap()
}

fn send(events: &Mutex<Events<Page>>, port: Port) {
    let _ = events.lock().unwrap().send(port, Side::Guest).unwrap();
}

/// Sends on another thread.
fn sender(events: &Arc<Mutex<Events<Page>>>, ports: &[Port]) -> loom::thread::JoinHandle<()> {
    let (events, ports) = (events.clone(), ports.to_vec());
    loom::thread::spawn(move || ports.iter().for_each(|port| send(&events, *port)))
}

#[test]
fn events_queued_while_the_guest_takes_others_are_not_lost() {
    explore(|| {
        let (events, mut guest) = domain();
        let ports = [open(&events), open(&events)];
        send(&events, ports[0]);
        let sender = sender(&events, &ports[1..]);
        let mut seen = guest.consume();
        sender.join().unwrap();
        seen.extend(guest.consume());
        assert_eq!(seen, ports);
        assert_eq!(guest.word(ports[0]) | guest.word(ports[1]), 0);
    });
}

#[test]
fn an_event_sent_again_while_it_is_taken_is_not_lost() {
    explore(|| {
        let (events, mut guest) = domain();
        let port = open(&events);
        send(&events, port);
        let sender = sender(&events, &[port]);
        let first = guest.consume();
        sender.join().unwrap();
        let second = guest.consume();
        assert!(!first.is_empty());
        assert_eq!(
            guest.word(port) & (PENDING | LINKED),
            0,
            "{first:?} {second:?}"
        );
    });
}

#[test]
fn a_link_to_a_port_that_the_guest_masks_and_unmasks_is_written() {
    explore(|| {
        let (events, mut guest) = domain();
        let ports = [open(&events), open(&events)];
        send(&events, ports[0]);
        let sender = sender(&events, &ports[1..]);
        // The tail's word changes under the link: mask, then unmask, which waits for BUSY.
        guest.mask(ports[0]);
        if guest.unmask(ports[0]) {
            let _ = events.lock().unwrap().unmask(ports[0]);
        }
        sender.join().unwrap();
        assert_eq!(guest.consume(), ports);
    });
}

#[test]
fn an_event_sent_during_an_unmask_is_not_lost() {
    explore(|| {
        let (events, mut guest) = domain();
        let port = open(&events);
        guest.mask(port);
        let sender = sender(&events, &[port]);
        if guest.unmask(port) {
            let _ = events.lock().unwrap().unmask(port);
        }
        sender.join().unwrap();
        assert_eq!(guest.consume(), [port]);
    });
}

#[test]
fn a_priority_changed_while_events_are_queued_loses_none() {
    explore(|| {
        let (events, mut guest) = domain();
        let ports = [open(&events), open(&events)];
        send(&events, ports[0]);
        let changer = {
            let events = events.clone();
            loom::thread::spawn(move || {
                events.lock().unwrap().set_priority(ports[0], 15).unwrap();
                send(&events, ports[0]);
                send(&events, ports[1]);
            })
        };
        let mut seen = guest.consume();
        changer.join().unwrap();
        seen.extend(guest.consume());
        assert!(ports.iter().all(|port| seen.contains(port)), "{seen:?}");
        assert_eq!(guest.word(ports[0]) & (PENDING | LINKED), 0);
        assert_eq!(guest.word(ports[1]) & (PENDING | LINKED), 0);
    });
}

#[test]
fn a_guest_that_breaks_the_protocol_while_we_link_hurts_itself_alone() {
    explore(|| {
        let (events, guest) = domain();
        let ports = [open(&events), open(&events)];
        send(&events, ports[0]);
        let sender = sender(&events, &ports[1..]);
        let words = &guest.words[0];
        words.store32(ports[0].0 * 4, LINKED | 3);
        words.store32(ports[0].0 * 4, PENDING | 2);
        words.store32(ports[1].0 * 4, 0);
        sender.join().unwrap();
        let events = events.lock().unwrap();
        for port in ports {
            assert_eq!(events.status(port).unwrap().state, crate::State::Ipi);
        }
    });
}

#[test]
fn closing_a_queued_port_while_the_guest_takes_it_leaves_nothing_pending() {
    explore(|| {
        let (events, mut guest) = domain();
        let ports = [open(&events), open(&events)];
        send(&events, ports[0]);
        send(&events, ports[1]);
        let closer = {
            let events = events.clone();
            loom::thread::spawn(move || {
                let _ = events
                    .lock()
                    .unwrap()
                    .close(ports[0], Side::Guest, None)
                    .unwrap();
                // The lowest free number, if the guest has taken the old one off its queue.
                open(&events)
            })
        };
        let mut seen = guest.consume();
        let reopened = closer.join().unwrap();
        seen.extend(guest.consume());
        assert!(seen.contains(&ports[1]), "{seen:?}");
        assert!(reopened == ports[0] || reopened == Port(3));
        assert_eq!(guest.word(ports[0]) & PENDING, 0);
    });
}
