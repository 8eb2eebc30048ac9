//! What unpacking a kernel needs besides the kernel: had at boot for as many as are unpacked at a time, and
//! passed on from one to the next, so that nothing is allocated for it beside guests that run. They may leave
//! no piece of the heap as large.

use alloc::vec::Vec;

use machine::heap::Arena;
use miniz_oxide::inflate::core::DecompressorOxide;

/// As far as a packed stream refers back to what came out of it (RFC 1951, 3.2.5).
pub(super) const REACH: usize = 32 << 10;
/// What came out last: what is referred to, and as much again, so that it is seldom moved.
pub(super) const WINDOW: usize = 2 * REACH;

/// Heap that one takes.
pub const WORKSPACE_BYTES: u64 = (WINDOW + size_of::<DecompressorOxide>() + 1024) as u64;

/// What one kernel is unpacked with.
pub struct Workspace {
    /// One, always.
    pub(super) decoder: Vec<DecompressorOxide>,
    /// Never grows beyond [`WINDOW`], for which there is room.
    pub(super) window: Vec<u8>,
}

impl Workspace {
    /// `None` if there is no memory for it.
    pub fn new() -> Option<Self> {
        let (mut decoder, mut window) = (Vec::new(), Vec::new());
        decoder.try_reserve_exact(1).ok()?;
        window.try_reserve_exact(WINDOW).ok()?;
        decoder.push(DecompressorOxide::new());
        Some(Self { decoder, window })
    }

    /// As new: nothing is left of the kernel before.
    pub(super) fn clear(&mut self) {
        self.window.clear();
        for decoder in &mut self.decoder {
            decoder.init();
        }
    }
}

/// Those of them that nobody uses now.
pub struct Workspaces {
    spare: Vec<Workspace>,
    made: usize,
    arena: Option<Arena>,
}

/// What is there for who wants to unpack a kernel.
pub enum Spare {
    /// This.
    Here(Workspace),
    /// Others use all.
    Later,
    /// There was no memory for a single one.
    Never,
}

impl Workspaces {
    /// Up to `wanted`, as many as there is memory for, of which `arena` was given to the heap for them.
    pub fn new(wanted: usize, arena: Option<Arena>) -> Self {
        let mut spare = Vec::with_capacity(wanted);
        spare.extend((0..wanted).map_while(|_| Workspace::new()));
        let made = spare.len();
        Self { spare, made, arena }
    }

    /// Takes one.
    pub fn take(&mut self) -> Spare {
        match self.spare.pop() {
            Some(workspace) => Spare::Here(workspace),
            None if self.made != 0 => Spare::Later,
            None => Spare::Never,
        }
    }

    /// Gives one back. There is room, as it was here before.
    pub fn give_back(&mut self, workspace: Workspace) {
        self.spare.push(workspace);
    }

    /// Ends it: what is to be freed, and then the part of the heap that it was in.
    pub fn end(&mut self) -> (Vec<Workspace>, Option<Arena>) {
        self.made = 0;
        (core::mem::take(&mut self.spare), self.arena.take())
    }
}
