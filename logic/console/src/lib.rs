//! The shared console: who has the input, whose line is on the screen, what a line looks like.
//!
//! Pure logic without input or output: bytes and the time come in as arguments, and what should
//! appear on the wire goes to a [`Sink`]. The output of all writers meets in the [`Screen`] and
//! leaves through the [`OutputRing`]:
//!
//! ```text
//! serial byte ─> Focus ─> Domain(d): that domain's UART
//!                      └> Hypervisor: Key
//! guest byte ─> LineAssembler ─┐
//! hypervisor message ─> Writer ┴> Screen ─> OutputRing ─> serial port
//! ```
//!
//! Texts and key sequences are those of Xen's console (docs/misc/xen-command-line.pandoc:
//! `conswitch`, `loglvl`, `guest_loglvl`, `console_timestamps`). What differs, on purpose:
//!
//! - output of the domain with the focus is raw; Xen puts `(XEN) ` in front of its lines;
//! - a line of another writer never lands inside a line that is on the screen already;
//! - output of the others is filtered of control bytes;
//! - a message's level is an argument, never read from its text, and each origin has its own rate
//!   limit;
//! - when a domain ends, the focus leaves it.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![allow(clippy::new_without_default, reason = "new is const")]

mod assembler;
mod focus;
mod key;
mod level;
mod prefix;
mod ring;
mod screen;
mod stamp;
mod switch_key;
mod text;
mod writer;

#[cfg(test)]
mod transcripts;

pub use assembler::{FocusedPrefix, LINE_MAX, LineAssembler, TEXT_MAX};
pub use focus::{Focus, Focused, Full, Input, Switched, Target};
pub use key::{HELP, Key, key};
pub use level::{Decision, Level, RateLimit, Suppressed, Thresholds};
pub use prefix::Prefix;
pub use ring::{OutputRing, Pushed, RingSink};
pub use screen::{Origin, Screen, Terminal};
pub use stamp::{Now, Stamp, Timestamps};
pub use switch_key::{BadSwitchKey, SwitchKey};
pub use text::{Sink, Text};
pub use writer::{LineState, Writer};
