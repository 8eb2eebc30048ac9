//! The emulated UART.

use support::{
    gic::{read, write},
    uart::{DATA, FLAGS, register},
};

use crate::operation::{Operation, each};

pub(crate) const OPERATIONS: &[Operation] = &[
    each("UART flag read", 1024, || read(register(FLAGS)).into()),
    each("UART data write", 240, || {
        write(register(DATA), b'.'.into());
        0
    }),
    each("UART line of 80", 16, || {
        line(&[b'-'; 79]);
        line(b"\n");
        0
    }),
];

/// As a driver does: the flags before each byte.
fn line(text: &[u8]) {
    for &byte in text {
        read(register(FLAGS));
        write(register(DATA), byte.into());
    }
}
