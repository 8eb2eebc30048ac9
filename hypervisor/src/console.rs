//! The console: one serial line for the hypervisor and all domains.
//!
//! What bytes mean is `logic/console`'s; here its parts meet the UART and the clock. The whole of
//! it lies in one lock of the highest rank, so that anybody may write at any time.

use abi::{DomId, VcpuId};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use ::console::{
    Decision, Focus, Focused, FocusedPrefix, Input, LINE_MAX, Level, LineAssembler, Now, Origin,
    OutputRing, Prefix, RateLimit, Screen, Sink, Stamp, Suppressed, Switched, Terminal, Text,
    Thresholds, Timestamps, Writer,
};
use machine::timer;
use machine::uart::{Uart, WantRoom};

/// Bytes of output that wait for the UART.
const RING_BYTES: usize = 8192;
/// The longest message; what is longer is cut.
const MESSAGE_BYTES: usize = 512;
/// The most bytes given to the UART in one go, which bounds an exit.
const PUMP_BYTES: usize = 128;

/// Whose message it is, and how much it matters.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// The hypervisor's own.
    Host(Level),
    /// About what a vCPU did.
    Guest(Level, DomId, VcpuId),
}

/// The right to print one message.
#[must_use]
pub struct Admitted {
    prefix: Prefix,
    suppressed: Suppressed,
}

/// How messages look and which appear.
pub struct Style {
    /// Thresholds of the hypervisor's own messages.
    pub host: Thresholds,
    /// Thresholds of messages about guests.
    pub guest: Thresholds,
    /// Time stamps.
    pub timestamps: Timestamps,
}

struct Guest {
    domain: DomId,
    lines: LineAssembler,
    hypercall_lines: LineAssembler,
    limit: RateLimit,
}

/// How a domain writes.
#[derive(Clone, Copy)]
enum Way {
    Uart,
    Hypercall,
}

impl Guest {
    fn lines_of(&mut self, way: Way) -> &mut LineAssembler {
        match way {
            Way::Uart => &mut self.lines,
            Way::Hypercall => &mut self.hypercall_lines,
        }
    }

    /// Ends what is collected of lines, whichever way it came.
    fn flush_partial(&mut self, stamp: &Stamp, out: &mut Terminal<'_, impl Sink>) {
        self.lines.flush_partial(stamp, out);
        self.hypercall_lines.flush_partial(stamp, out);
    }
}

/// Output of the domain with the focus: while nothing waits in the ring it goes past it.
struct Direct<'a> {
    ring: &'a mut OutputRing<RING_BYTES>,
    uart: Option<Uart>,
    origin: Origin,
}

impl Sink for Direct<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if let Some(uart) = self.uart
            && self.ring.is_empty()
        {
            while let Some((byte, behind)) = rest.split_first()
                && uart.has_room()
            {
                uart.send(*byte);
                rest = behind;
            }
        }
        if !rest.is_empty() {
            self.ring.sink(self.origin).put(rest);
        }
    }
}

/// Whether a domain may go on writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It may.
    Open,
    /// Its transmitter must be held until the ring has room for it again.
    Congested,
}

/// The console.
pub struct Console {
    /// Who has the input.
    pub focus: Focus,
    style: Style,
    screen: Screen,
    ring: Box<OutputRing<RING_BYTES>>,
    uart: Option<Uart>,
    room_wanted: WantRoom,
    guests: Vec<Guest>,
    held: Vec<DomId>,
    host_limit: RateLimit,
    start_ticks: u64,
}

impl Console {
    /// A console on `uart`, or one that keeps silent.
    pub fn new(uart: Option<Uart>, focus: Focus, style: Style) -> Self {
        Self {
            focus,
            style,
            screen: Screen::new(),
            ring: Box::new(OutputRing::new()),
            uart,
            room_wanted: WantRoom::No,
            guests: Vec::new(),
            held: Vec::new(),
            host_limit: RateLimit::new(),
            start_ticks: timer::now(),
        }
    }

    /// Makes room for `domain`'s output; at boot, as it allocates.
    pub fn add(&mut self, domain: DomId) {
        let lines = LineAssembler::new(Prefix::Uart(domain), FocusedPrefix::None);
        let hypercall_lines = LineAssembler::new(Prefix::Domain(domain), FocusedPrefix::None);
        self.guests.push(Guest {
            domain,
            lines,
            hypercall_lines,
            limit: RateLimit::new(),
        });
        self.held.reserve(self.guests.len());
        // More domains than the ring of the focus has room for can write but not be typed at.
        let _ = self.focus.add(domain);
    }

    /// Nanoseconds since the console started.
    pub fn elapsed_ns(&self) -> u64 {
        timer::nanoseconds(timer::now().saturating_sub(self.start_ticks))
    }

    fn stamp(&self) -> Stamp {
        let ticks = timer::now();
        let boot_ns = timer::nanoseconds(ticks.saturating_sub(self.start_ticks));
        Stamp {
            style: self.style.timestamps,
            now: Now {
                boot_ns,
                ticks,
                wall_ms: None,
            },
        }
    }

    /// Prints a message if its level passes: whole lines, each with its prefix.
    pub fn print(&mut self, source: Source, message: fmt::Arguments<'_>) {
        if let Some(admitted) = self.admit(source) {
            self.print_admitted(admitted, message);
        }
    }

    /// Whether a message from `source` appears now, decided before anybody composes it. It counts as
    /// printed, or as one more that was held back.
    #[inline]
    pub fn admit(&mut self, source: Source) -> Option<Admitted> {
        let now_ns = self.elapsed_ns();
        let (decision, prefix) = match source {
            Source::Host(level) => (
                self.style.host.decide(level, now_ns, &mut self.host_limit),
                Prefix::Hypervisor,
            ),
            Source::Guest(level, domain, vcpu) => {
                let guest = self.guests.iter_mut().find(|guest| guest.domain == domain);
                let limit = guest.map_or(&mut self.host_limit, |guest| &mut guest.limit);
                (
                    self.style.guest.decide(level, now_ns, limit),
                    Prefix::Vcpu(domain, vcpu),
                )
            }
        };
        match decision {
            Decision::Print(suppressed) => Some(Admitted { prefix, suppressed }),
            Decision::Drop => None,
        }
    }

    /// Prints a message that [`Self::admit`] let through.
    #[cold]
    pub fn print_admitted(&mut self, admitted: Admitted, message: fmt::Arguments<'_>) {
        let Admitted { prefix, suppressed } = admitted;
        if suppressed.0 > 0 {
            self.line(prefix, format_args!("{suppressed}\n"));
        }
        self.line(prefix, message);
    }

    /// Prints whatever the thresholds are: answers to keys, and what the user must know.
    pub fn say(&mut self, message: fmt::Arguments<'_>) {
        self.line(Prefix::Hypervisor, message);
    }

    /// Prints a line without prefix, as the focus messages are.
    pub fn announce(&mut self, switched: Switched) {
        self.settle(switched);
        self.line(Prefix::Hypervisor, format_args!("{switched}\n"));
    }

    /// The focus moved: partial lines of both sides are ended.
    fn settle(&mut self, switched: Switched) {
        let stamp = self.stamp();
        for target in [switched.from, switched.to] {
            let ::console::Target::Domain(domain) = target else {
                continue;
            };
            if let Some(guest) = self.guests.iter_mut().find(|guest| guest.domain == domain) {
                let origin = Origin::Domain(domain);
                let mut sink = self.ring.sink(origin);
                guest.flush_partial(&stamp, &mut self.screen.writer(origin, &mut sink));
            }
        }
    }

    fn line(&mut self, prefix: Prefix, message: fmt::Arguments<'_>) {
        let mut text = Text::<MESSAGE_BYTES>::new();
        // What does not fit is cut; the sink itself never fails.
        let _ = Writer::new(&mut text, prefix, self.stamp()).write_fmt(message);
        let mut sink = self.ring.sink(Origin::Hypervisor);
        self.screen
            .writer(Origin::Hypervisor, &mut sink)
            .lines(text.as_bytes());
        self.pump();
    }

    /// A domain wrote `byte` to its UART.
    pub fn guest_byte(&mut self, domain: DomId, byte: u8) -> Flow {
        self.write(domain, &[byte], Way::Uart);
        self.flow(domain)
    }

    /// A domain wrote `bytes` by hypercall. Without the focus they appear only if debug messages
    /// of guests do. How many of them are taken, a line at most without the focus; 0 if there is no room,
    /// as for bytes of a UART whose transmitter is held.
    pub fn guest_write(&mut self, domain: DomId, bytes: &[u8]) -> usize {
        let mut taken = bytes.len();
        if self.focus.of(domain) == Focused::No {
            if self.style.guest.upper <= Level::Debug as u8 {
                return taken;
            }
            // A line becomes longer by its prefix, so each is admitted by itself.
            let end = bytes.iter().position(|byte| *byte == b'\n');
            taken = end.map_or(taken, |end| end + 1);
        }
        if self.flow(domain) == Flow::Congested {
            // Perhaps the UART has no interrupt that would do this.
            self.pump();
            return 0;
        }
        self.write(domain, bytes.get(..taken).unwrap_or(bytes), Way::Hypercall);
        taken
    }

    #[inline]
    fn write(&mut self, domain: DomId, bytes: &[u8], way: Way) {
        let focused = self.focus.of(domain);
        let Some(guest) = self.guests.iter_mut().find(|guest| guest.domain == domain) else {
            return;
        };
        let lines = guest.lines_of(way);
        let origin = Origin::Domain(domain);
        if focused == Focused::Yes {
            let mut out = Direct {
                ring: &mut self.ring,
                uart: self.uart,
                origin,
            };
            let mut terminal = self.screen.writer(origin, &mut out);
            if lines.pass_on(bytes, &mut terminal) {
                return self.pump_rest();
            }
        }
        self.assemble(domain, bytes, way, focused);
    }

    /// Writes what becomes lines of its own, or begins one.
    #[inline(never)]
    fn assemble(&mut self, domain: DomId, bytes: &[u8], way: Way, focused: Focused) {
        let stamp = self.stamp();
        let Some(guest) = self.guests.iter_mut().find(|guest| guest.domain == domain) else {
            return;
        };
        let lines = guest.lines_of(way);
        let origin = Origin::Domain(domain);
        let mut sink = self.ring.sink(origin);
        let mut terminal = self.screen.writer(origin, &mut sink);
        for byte in bytes {
            lines.push(*byte, focused, &stamp, &mut terminal);
        }
        self.pump_rest();
    }

    /// Gives what waits to the UART, if anything does.
    #[inline]
    fn pump_rest(&mut self) {
        if !self.ring.is_empty() {
            self.pump();
        }
    }

    #[inline]
    fn flow(&self, domain: DomId) -> Flow {
        if self.ring.is_empty() || self.ring.admit(domain, LINE_MAX) {
            Flow::Open
        } else {
            Flow::Congested
        }
    }

    /// `domain`'s transmitter is held now: it will be let go when there is room. [`Flow::Open`] if
    /// there is by now, and nothing is noted.
    pub fn note_held(&mut self, domain: DomId) -> Flow {
        let flow = self.flow(domain);
        if flow == Flow::Congested {
            self.keep_held(domain);
        }
        flow
    }

    /// As [`Self::note_held`], whether there is room or not.
    pub fn keep_held(&mut self, domain: DomId) {
        if !self.held.contains(&domain) && self.held.len() < self.held.capacity() {
            self.held.push(domain);
        }
        self.want_room();
    }

    /// A domain that was held and may write again.
    pub fn take_released(&mut self) -> Option<DomId> {
        let ready = self
            .held
            .iter()
            .position(|domain| self.ring.admit(*domain, LINE_MAX))?;
        Some(self.held.swap_remove(ready))
    }

    /// `domain` ended: its last line is ended, and the focus leaves it.
    pub fn remove(&mut self, domain: DomId) -> Option<Switched> {
        let stamp = self.stamp();
        if let Some(guest) = self.guests.iter_mut().find(|guest| guest.domain == domain) {
            let origin = Origin::Domain(domain);
            let mut sink = self.ring.sink(origin);
            guest.flush_partial(&stamp, &mut self.screen.writer(origin, &mut sink));
        }
        self.held.retain(|held| *held != domain);
        self.focus.remove(domain)
    }

    /// Gives what waits to the UART, as much as it takes but a bounded number of bytes.
    pub fn pump(&mut self) {
        let Some(uart) = self.uart else {
            while self.ring.pop().is_some() {}
            return;
        };
        let mut left = PUMP_BYTES;
        while left > 0 && !self.ring.is_empty() && uart.has_room() {
            if let Some(byte) = self.ring.pop() {
                uart.send(byte);
            }
            left -= 1;
        }
        if self.ring.is_empty() {
            self.own_up();
        }
        self.want_room();
    }

    /// Says how much was lost while the ring was full, now that there is room to say so.
    fn own_up(&mut self) {
        let lost = self.ring.take_dropped();
        if lost > 0 {
            let mut text = Text::<MESSAGE_BYTES>::new();
            let mut writer = Writer::new(&mut text, Prefix::Hypervisor, self.stamp());
            // It is short enough.
            let _ = writeln!(writer, "{lost} messages lost, as there was no room");
            let mut sink = self.ring.sink(Origin::Hypervisor);
            self.screen
                .writer(Origin::Hypervisor, &mut sink)
                .lines(text.as_bytes());
        }
    }

    /// Asks for an interrupt when the UART has room, if anything or anybody waits for that.
    fn want_room(&mut self) {
        let waits = !self.ring.is_empty() || !self.held.is_empty();
        let wanted = if waits { WantRoom::Yes } else { WantRoom::No };
        if let (Some(uart), true) = (self.uart, wanted != self.room_wanted) {
            self.room_wanted = wanted;
            uart.set_interrupts(wanted);
        }
    }

    /// Waits until everything is out: before the machine goes off.
    pub fn drain(&mut self) {
        while self.uart.is_some() && !self.ring.is_empty() {
            self.pump();
        }
    }

    /// Turns the UART's interrupts on.
    pub fn listen(&mut self) {
        if let Some(uart) = self.uart {
            uart.set_interrupts(self.room_wanted);
        }
    }

    /// The next typed byte, as what is to be done about it. Reading it is what ends the UART's
    /// interrupt for input, and the mask what ends that for output: neither is cleared, as what is
    /// cleared with work left over never comes back.
    pub fn input(&mut self) -> Option<Input> {
        let byte = self.uart?.receive()?;
        Some(self.focus.input(byte))
    }
}
