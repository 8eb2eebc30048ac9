//! A program for a Linux guest: the second part of `guests/ping`, through the kernel's own drivers.
//!
//! `linux-pong PORT DOMAIN REFERENCE COUNT` binds the static event channel `PORT` (/dev/xen/evtchn),
//! maps the page that `DOMAIN` granted as `REFERENCE` (/dev/xen/gntdev), and answers `COUNT` times.
//! An event that got lost stops both. (Linux, include/uapi/xen/evtchn.h and gntdev.h.)
#![no_std]
#![no_main]

use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use linux_support::{Arguments, File};

/// `_IOC(_IOC_NONE, group, number, size)`.
const fn request(group: u8, number: u32, bytes: u32) -> u32 {
    bytes << 16 | (group as u32) << 8 | number
}

const NOTIFY: u32 = request(b'E', 4, 4);
const BIND_STATIC: u32 = request(b'E', 7, 4);
const MAP_GRANT_REF: u32 = request(b'G', 0, 24);
const PAGE_BYTES: u64 = 4096;

/// What the two share: how far each is.
#[repr(C)]
struct Shared {
    ping: AtomicU64,
    pong: AtomicU64,
}

/// One end of an event channel.
struct Channel {
    file: File,
    port: u32,
    taken: u64,
}

impl Channel {
    fn open(port: u32) -> Result<Self, i64> {
        let file = File::open(c"/dev/xen/evtchn")?;
        file.control(BIND_STATIC, &mut [port])?;
        Ok(Self {
            file,
            port,
            taken: 0,
        })
    }

    /// Waits for an event, takes it, and lets the next one come.
    fn wait(&mut self) -> Result<(), i64> {
        let mut port = [0; 4];
        self.file.read(&mut port)?;
        self.taken += 1;
        self.file.write(&port).map(|_| ())
    }

    fn send(&self) -> Result<(), i64> {
        self.file.control(NOTIFY, &mut [self.port]).map(|_| ())
    }
}

/// The page that `domain` granted, if it has done so.
fn map(domain: u32, reference: u32) -> Result<&'static Shared, i64> {
    let file = File::open(c"/dev/xen/gntdev")?;
    // One reference; the kernel writes the offset that stands for it.
    let mut wanted = [1, 0, 0, 0, domain, reference];
    file.control(MAP_GRANT_REF, &mut wanted)?;
    let offset = u64::from(wanted[2]) | u64::from(wanted[3]) << 32;
    let page = file.map(offset, PAGE_BYTES)?;
    // SAFETY: a page that was mapped just now and stays so, reached by atomics alone.
    Ok(unsafe { &*(page as *const Shared) })
}

fn answer(channel: &mut Channel, page: &Shared, count: u64) -> Result<(), i64> {
    let mut number = 0;
    while number < count {
        let seen = page.ping.load(SeqCst);
        if seen == number {
            channel.wait()?;
            continue;
        }
        number = seen;
        page.pong.store(number, SeqCst);
        channel.send()?;
    }
    Ok(())
}

fn pong(port: u32, domain: u32, reference: u32, count: u64) -> Result<u64, i64> {
    let mut channel = Channel::open(port)?;
    let page = map(domain, reference)?;
    answer(&mut channel, page, count)?;
    Ok(channel.taken)
}

#[unsafe(no_mangle)]
extern "C" fn linux_main(arguments: Arguments) -> u8 {
    let number = |place| arguments.get(place)?.parse::<u64>().ok();
    let small = |place| number(place).and_then(|number| u32::try_from(number).ok());
    let (Some(port), Some(domain), Some(reference), Some(count)) =
        (small(1), small(2), small(3), number(4))
    else {
        let _ = writeln!(
            File::output(),
            "usage: linux-pong PORT DOMAIN REFERENCE COUNT"
        );
        return 2;
    };
    let mut output = File::output();
    match pong(port, domain, reference, count) {
        Ok(taken) => {
            let _ = writeln!(output, "pong: {count} answers, {taken} events taken");
            0
        }
        Err(error) => {
            let _ = writeln!(output, "pong: error {error}");
            1
        }
    }
}
