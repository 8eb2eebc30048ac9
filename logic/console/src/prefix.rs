//! What stands in front of a line: Xen's prefixes, one for each path that output takes.

use abi::{DomId, VcpuId};

use crate::stamp::Stamp;
use crate::text::{Sink, put_decimal};

/// Whose line it is. The time stamp follows the part in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
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

    /// Puts it, with the time stamp in its place.
    pub fn write(self, stamp: &Stamp, out: &mut impl Sink) {
        if let Prefix::Domain(domain) = self {
            out.put(b"(d");
            put_decimal(out, u64::from(domain.0));
            out.put(b") ");
        } else {
            out.put(b"(XEN) ");
        }
        stamp.write(out);
        match self {
            Prefix::Hypervisor | Prefix::Domain(_) => {}
            Prefix::Vcpu(domain, vcpu) => {
                out.put(b"d");
                put_decimal(out, u64::from(domain.0));
                out.put(b"v");
                put_decimal(out, u64::from(vcpu.0));
                out.put(b" ");
            }
            Prefix::Uart(domain) => {
                out.put(b"DOM");
                put_decimal(out, u64::from(domain.0));
                out.put(b": ");
            }
        }
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
            let mut out = Vec::new();
            prefix.write(&Stamp::NONE, &mut out);
            assert_eq!(out, plain.as_bytes());
            out.clear();
            prefix.write(&boot, &mut out);
            assert_eq!(out, stamped.as_bytes());
        }
    }

    #[test]
    fn none_is_longer_than_said() {
        let mut out = Vec::new();
        Prefix::Vcpu(DomId(u16::MAX), VcpuId(u16::MAX)).write(
            &Stamp {
                style: Timestamps::DateMs,
                now: Now {
                    wall_ms: Some(u64::MAX),
                    ..Now::default()
                },
            },
            &mut out,
        );
        assert!(out.len() <= Prefix::MAX, "{}", out.len());
    }
}
