//! Why a boot device tree cannot be used at all.

use alloc::vec::Vec;
use core::fmt;

use crate::Finding;
use crate::tree::{MAX_BLOB, MAX_DEPTH, MAX_NODES, MAX_PROPERTIES};

/// The blob cannot be used at all. `Display` gives the one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// Fewer bytes than the header, or than its total size says.
    Truncated {
        /// Bytes that the header says (or needs itself).
        needed: u32,
        /// Bytes that were given.
        given: usize,
    },
    /// The first word is not 0xd00dfeed.
    BadMagic(u32),
    /// The total size, in bytes, is beyond [`MAX_BLOB`].
    TooLarge(u32),
    /// Not readable as version 17 of the format.
    Version {
        /// The header's `version`.
        version: u32,
        /// The header's `last_comp_version`.
        compatible: u32,
    },
    /// The header contradicts itself.
    Header(&'static str),
    /// The structure block is damaged.
    Structure {
        /// Bytes from the start of the structure block.
        offset: u32,
        /// What is wrong.
        rule: &'static str,
    },
    /// Nodes are nested deeper than [`MAX_DEPTH`].
    TooDeep {
        /// Bytes from the start of the structure block.
        offset: u32,
    },
    /// More than [`MAX_NODES`] nodes.
    TooManyNodes,
    /// More than [`MAX_PROPERTIES`] properties.
    TooManyProperties,
    /// The tree is sound but nothing can boot with it: no memory, CPU, interrupt controller or
    /// timer that could be used. All findings are in it, not only those that are fatal; the
    /// index names the first that is.
    Host {
        /// All findings, in the order of [`crate::SystemSpec::findings`].
        findings: Vec<Finding>,
        /// Index of the first fatal one.
        first: usize,
    },
}

impl TreeError {
    /// All findings of a tree that could be read; empty when the blob itself is damaged.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Host { findings, .. } => findings,
            _ => &[],
        }
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Host { findings, first } = self {
            return match findings.get(*first) {
                Some(finding) => finding.fmt(f),
                None => f.write_str("/: no usable host"),
            };
        }
        f.write_str("device tree: ")?;
        match self {
            Self::Truncated { needed, given } => {
                write!(f, "truncated: {given} bytes of {needed}")
            }
            Self::BadMagic(magic) => write!(f, "magic = {magic:#x}: must be 0xd00dfeed"),
            Self::TooLarge(size) => {
                write!(f, "total size = {size:#x}: must be at most {MAX_BLOB:#x}")
            }
            Self::Version {
                version,
                compatible,
            } => {
                write!(
                    f,
                    "version = {version} (compatible {compatible}): must be 17"
                )
            }
            Self::Header(rule) => write!(f, "header: {rule}"),
            Self::Structure { offset, rule } => {
                write!(f, "structure block at offset {offset:#x}: {rule}")
            }
            Self::TooDeep { offset } => write!(
                f,
                "structure block at offset {offset:#x}: nested deeper than {MAX_DEPTH} levels"
            ),
            Self::TooManyNodes => write!(f, "more than {MAX_NODES} nodes"),
            Self::TooManyProperties => write!(f, "more than {MAX_PROPERTIES} properties"),
            Self::Host { .. } => Ok(()),
        }
    }
}
