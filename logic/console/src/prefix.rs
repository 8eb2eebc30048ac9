//! What stands in front of a line: Xen's prefixes, one for each path that output takes.

use core::fmt::{self, Write};

use abi::{DomId, VcpuId};

use crate::stamp::Stamp;
use crate::text::Text;

/// Whose line it is. The time stamp follows the part in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// Nothing, not even the time.
    None,
    /// A message of the hypervisor: `(XEN) `.
    Hypervisor,
    /// A message of the hypervisor about a vCPU: `(XEN) d1v0 `.
    Vcpu(DomId, VcpuId),
    /// A domain's `console_io` output, or the hypervisor speaking for the domain: `(d1) `.
    Domain(DomId),
    /// Output of a domain's UART: `(XEN) DOM1: `.
    Uart(DomId),
}

impl Prefix {
    /// The most bytes that a prefix and its time stamp take: `[YYYY-MM-DD HH:MM:SS.mmm] ` (26)
    /// or a longer year, and `(XEN) d65535v65535 ` (19).
    pub const MAX: usize = 56;

    /// What the line begins with.
    pub(crate) fn text(self, stamp: &Stamp) -> Text<{ Self::MAX }> {
        let mut text = Text::new();
        // A text never refuses; a prefix always fits.
        let _: fmt::Result = match self {
            Prefix::None => Ok(()),
            Prefix::Hypervisor => write!(text, "(XEN) {stamp}"),
            Prefix::Vcpu(domain, vcpu) => write!(text, "(XEN) {stamp}{domain}{vcpu} "),
            Prefix::Domain(domain) => write!(text, "({domain}) {stamp}"),
            Prefix::Uart(domain) => write!(text, "(XEN) {stamp}DOM{}: ", domain.0),
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::{Now, Timestamps};

    #[test]
    fn each_path_has_its_prefix() {
        let boot = Stamp {
            style: Timestamps::Boot,
            now: Now {
                boot_ns: 1_500_000_000,
                ..Now::default()
            },
        };
        for (prefix, plain, stamped) in [
            (Prefix::None, "", ""),
            (Prefix::Hypervisor, "(XEN) ", "(XEN) [    1.500000] "),
            (
                Prefix::Vcpu(DomId(1), VcpuId(0)),
                "(XEN) d1v0 ",
                "(XEN) [    1.500000] d1v0 ",
            ),
            (Prefix::Domain(DomId(1)), "(d1) ", "(d1) [    1.500000] "),
            (
                Prefix::Uart(DomId(12)),
                "(XEN) DOM12: ",
                "(XEN) [    1.500000] DOM12: ",
            ),
        ] {
            assert_eq!(prefix.text(&Stamp::default()).as_bytes(), plain.as_bytes());
            assert_eq!(prefix.text(&boot).as_bytes(), stamped.as_bytes());
        }
    }

    #[test]
    fn none_is_longer_than_said() {
        let text = Prefix::Vcpu(DomId(u16::MAX), VcpuId(u16::MAX)).text(&Stamp {
            style: Timestamps::DateMs,
            now: Now {
                wall_ms: Some(u64::MAX),
                ..Now::default()
            },
        });
        assert!(text.as_bytes().ends_with(b"d65535v65535 "));
    }
}
