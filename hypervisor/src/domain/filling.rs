//! A domain's RAM being filled before its first instruction: zeroed as far as that cannot wait, then
//! kernel, device tree and ramdisk, a piece at a time, by whichever CPU comes by.
//!
//! Invariant: until all is done the domain's memory is in here and nowhere else, so nobody else,
//! another domain's call least of all, finds any of it; and none of its vCPUs runs.

use abi::{Ipa, Range};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use domcfg::layout::Placement;
use lifecycle::Entry;
use machine::frames::Module;
use machine::timer;

use super::image::{Image, Progress, next_piece};
use super::memory::Memory;
use super::workspace::Workspace;

/// Bytes zeroed in one go: some 14,000 instructions.
const ZERO_BYTES: u64 = 256 << 10;

/// What is to be done before a domain starts.
pub struct Filling {
    memory: Memory,
    entry: Entry,
    /// Guest addresses, the last first.
    to_zero: Vec<Range>,
    contents: Contents,
    kernel_at: Ipa,
    tree_at: Ipa,
    ramdisk_at: Option<Ipa>,
    stage: Stage,
    began: Option<u64>,
}

/// What is filled next.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Zeroes,
    Kernel,
    Tree,
    /// Behind its first bytes.
    Ramdisk(u64),
    Done,
}

/// What is left of a filling that is over.
pub struct Over {
    /// The domain's memory.
    pub memory: Memory,
    /// Where its first vCPU starts.
    pub entry: Entry,
    /// What it was filled from.
    pub modules: [Option<Arc<Module>>; 2],
    /// What its kernel was unpacked in.
    pub workspace: Option<Workspace>,
    /// The counter when it began.
    pub began: u64,
}

/// What is put into a domain's RAM.
pub struct Contents {
    /// Its kernel.
    pub image: Image,
    /// Its device tree.
    pub tree: Vec<u8>,
    /// Its ramdisk.
    pub ramdisk: Option<Arc<Module>>,
}

impl Contents {
    /// Guest addresses that are written all through.
    pub fn places(&self, placement: &Placement) -> Vec<Range> {
        let initrd = placement.initrd.zip(self.ramdisk.as_ref());
        [
            Range::new(placement.kernel.start(), self.image.bytes()),
            Range::new(placement.dtb.start(), self.tree.len() as u64),
            initrd.and_then(|(at, module)| Range::new(at.start(), module.bytes().len() as u64)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        // The guest's seed is in it.
        domcfg::seed::erase(&mut self.tree);
    }
}

impl Filling {
    /// Notes what is to be put into `memory`, where RAM is mapped: `contents`, and zeroes at guest addresses
    /// `to_zero`.
    pub fn new(
        memory: Memory,
        placement: &Placement,
        contents: Contents,
        mut to_zero: Vec<Range>,
    ) -> Self {
        to_zero.reverse();
        Self {
            memory,
            entry: Entry {
                address: placement.entry.0,
                context: placement.dtb.start(),
            },
            to_zero,
            contents,
            kernel_at: Ipa(placement.kernel.start()),
            tree_at: Ipa(placement.dtb.start()),
            ramdisk_at: placement.initrd.map(|at| Ipa(at.start())),
            stage: Stage::Zeroes,
            began: None,
        }
    }

    /// Where the domain's first vCPU will start.
    pub fn entry(&self) -> Entry {
        self.entry
    }

    /// Whether its kernel has to be unpacked.
    pub fn is_packed(&self) -> bool {
        self.contents.image.is_packed()
    }

    /// Whether it cannot go on without a workspace.
    pub fn lacks_workspace(&self) -> bool {
        matches!(self.stage, Stage::Kernel) && self.contents.image.lacks_workspace()
    }

    /// Has it go on in `workspace`.
    pub fn unpack_in(&mut self, workspace: Workspace) {
        self.contents.image.unpack_in(workspace);
    }

    /// Fills a piece. The error is one line; nothing can be filled behind it.
    pub fn step(&mut self) -> Result<Progress, String> {
        if self.began.is_none() {
            self.began = Some(timer::now());
        }
        self.stage = match self.stage {
            Stage::Zeroes => self.zero_some(),
            Stage::Kernel => {
                let image = &mut self.contents.image;
                match image.copy_some(&mut self.memory, self.kernel_at)? {
                    Progress::More => Stage::Kernel,
                    Progress::Done => Stage::Tree,
                }
            }
            Stage::Tree => {
                if !self.memory.write(self.tree_at, &self.contents.tree) {
                    return Err(String::from("its device tree is outside its RAM"));
                }
                Stage::Ramdisk(0)
            }
            Stage::Ramdisk(done) => self.copy_ramdisk(done)?,
            Stage::Done => Stage::Done,
        };
        if !matches!(self.stage, Stage::Done) {
            return Ok(Progress::More);
        }
        machine::stage2::synchronise_instructions();
        Ok(Progress::Done)
    }

    fn zero_some(&mut self) -> Stage {
        let mut budget = ZERO_BYTES;
        while let Some(range) = self.to_zero.pop() {
            let end = range.start() + range.size().min(budget);
            self.memory.zero(range.start(), end);
            budget -= end - range.start();
            if end < range.end() {
                self.to_zero.extend(Range::from_bounds(end, range.end()));
                return Stage::Zeroes;
            }
        }
        Stage::Kernel
    }

    fn copy_ramdisk(&mut self, done: u64) -> Result<Stage, String> {
        let Some((at, module)) = self.ramdisk_at.zip(self.contents.ramdisk.as_ref()) else {
            return Ok(Stage::Done);
        };
        let (piece, progress) = next_piece(module.bytes(), done);
        if !self.memory.write(Ipa(at.0.wrapping_add(done)), piece) {
            return Err(String::from("its ramdisk is outside its RAM"));
        }
        Ok(match progress {
            Progress::More => Stage::Ramdisk(done + piece.len() as u64),
            Progress::Done => Stage::Done,
        })
    }

    /// Ends it, wherever it is.
    pub fn into_over(mut self) -> Over {
        let ramdisk = self.contents.ramdisk.take();
        Over {
            memory: self.memory,
            entry: self.entry,
            workspace: self.contents.image.take_workspace(),
            modules: [Some(self.contents.image.module()), ramdisk],
            began: self.began.unwrap_or_else(timer::now),
        }
    }
}
