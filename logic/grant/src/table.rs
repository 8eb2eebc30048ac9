//! What a domain grants to others.

use alloc::boxed::Box;
use alloc::vec::Vec;

use abi::grant::GrantStatus;
use abi::grant::entry::PER_FRAME;
use abi::{DomId, Gfn};

use crate::entry::{Entry, SharedFrame};
use crate::pins::{Access, Active, Pin, Pins};

/// What a domain starts with.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The domain's own number.
    pub domain: DomId,
    /// Frames that the table may have, `max_grant_frames` (64 by default).
    pub max_frames: u32,
}

/// Answer of [`Grants::size`], as `GNTTABOP_query_size` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Frames that the table has.
    pub frames: u32,
    /// Frames that it may have.
    pub max_frames: u32,
}

/// A frame of the table and what is in use of it.
struct Frame<S, F> {
    shared: S,
    /// Where the guest has mapped it.
    gfn: Option<Gfn>,
    active: Box<[Option<Active<F>>]>,
}

/// A domain's grant table. `S` is a handle to a frame of the table, `F` one to a granted page.
pub struct Grants<S, F> {
    domain: DomId,
    max_frames: u32,
    frames: Vec<Frame<S, F>>,
    /// Pins in all.
    pinned: u32,
}

impl<S: SharedFrame, F> Grants<S, F> {
    /// An empty table.
    pub const fn new(config: Config) -> Self {
        Self {
            domain: config.domain,
            max_frames: config.max_frames,
            frames: Vec::new(),
            pinned: 0,
        }
    }

    /// Bytes of the heap that a table of `frames` frames takes at most.
    pub const fn most_bytes(frames: u32) -> u64 {
        let entries = PER_FRAME as usize * size_of::<Option<Active<F>>>();
        // The list of frames is copied when it grows.
        let frame = 2 * size_of::<Frame<S, F>>() + entries + crate::ALLOCATION_BYTES;
        frames as u64 * frame as u64
    }

    /// Its size now and at most.
    pub fn size(&self) -> Size {
        Size {
            frames: self.frames.len() as u32,
            max_frames: self.max_frames,
        }
    }

    /// Pins in all: while there are any, the domain's pages are in use by others.
    pub fn pinned(&self) -> u32 {
        self.pinned
    }

    /// Lets the table have at least `frames` frames; `make` makes one, all zero. Frames stay for
    /// the life of the domain.
    ///
    /// # Errors
    /// `GeneralError`: more than it may have, or no memory. What was added until then stays.
    pub fn grow(
        &mut self,
        frames: u32,
        mut make: impl FnMut() -> Option<S>,
    ) -> Result<(), GrantStatus> {
        if frames > self.max_frames {
            return Err(GrantStatus::GeneralError);
        }
        while self.frames.len() < frames as usize {
            let mut active = Vec::new();
            let room = active.try_reserve_exact(PER_FRAME as usize);
            room.map_err(|_| GrantStatus::GeneralError)?;
            active.resize_with(PER_FRAME as usize, || None);
            self.frames
                .try_reserve(1)
                .map_err(|_| GrantStatus::GeneralError)?;
            let shared = make().ok_or(GrantStatus::GeneralError)?;
            self.frames.push(Frame {
                shared,
                gfn: None,
                active: active.into_boxed_slice(),
            });
        }
        Ok(())
    }

    /// For the domain's end, when nothing is pinned: gives up all frames.
    pub fn retire(&mut self) {
        if self.pinned == 0 {
            self.frames = Vec::new();
            self.max_frames = 0;
        }
    }

    /// Frame `index` of the table, to map for the guest or to read; `None` if it is not there.
    pub fn frame(&self, index: u32) -> Option<&S> {
        self.frames.get(index as usize).map(|frame| &frame.shared)
    }

    /// Where the guest has mapped frame `index`, as `GNTTABOP_setup_table` lists it.
    pub fn frame_gfn(&self, index: u32) -> Option<Gfn> {
        self.frames.get(index as usize)?.gfn
    }

    /// Records where the guest has mapped frame `index`, and returns where it was before.
    pub fn set_frame_gfn(&mut self, index: u32, gfn: Option<Gfn>) -> Option<Gfn> {
        let frame = self.frames.get_mut(index as usize)?;
        core::mem::replace(&mut frame.gfn, gfn)
    }

    /// Begins a use of grant `gref` by `user`. `acquire` gets the granted frame's number and
    /// returns the page, held, if it is one to share: it is called for the first use only, before
    /// anything is counted (XSA-236).
    ///
    /// # Errors
    /// `BadGntref`: no such entry. `GeneralError`: it does not grant that to `user`, it is in use
    /// by another, it changed since its first use (XSA-500), or there are too many uses. `BadPage`:
    /// the page is not one to share.
    pub fn pin(
        &mut self,
        gref: u32,
        user: DomId,
        access: Access,
        acquire: impl FnOnce(Gfn) -> Option<F>,
    ) -> Result<Pin, GrantStatus> {
        let (entry, active) = locate(&mut self.frames, gref).ok_or(GrantStatus::BadGntref)?;
        let before = active
            .as_ref()
            .map_or(Pins::default(), |active| active.pins);
        let pins = before.with(access).ok_or(GrantStatus::GeneralError)?;
        if active.as_ref().is_some_and(|active| active.user != user) {
            return Err(GrantStatus::GeneralError);
        }
        let gfn = entry.claim(user, access)?;
        let result = match active {
            Some(active) if active.gfn == gfn => {
                active.pins = pins;
                Ok(())
            }
            Some(_) => Err(GrantStatus::GeneralError),
            None => match acquire(gfn) {
                Some(page) => {
                    *active = Some(Active {
                        pins,
                        user,
                        gfn,
                        page,
                    });
                    Ok(())
                }
                None => Err(GrantStatus::BadPage),
            },
        };
        if let Err(status) = result {
            entry.clear(before.absent_flags());
            return Err(status);
        }
        self.pinned = self.pinned.saturating_add(1);
        Ok(Pin {
            granter: self.domain,
            gref,
            access,
        })
    }

    /// The page that `pin` holds; `None` if the pin is not of this table.
    pub fn page(&self, pin: &Pin) -> Option<&F> {
        let frame = self.frames.get((pin.gref / PER_FRAME) as usize)?;
        let active = frame
            .active
            .get((pin.gref % PER_FRAME) as usize)?
            .as_ref()?;
        (pin.granter == self.domain).then_some(&active.page)
    }

    /// Ends a use. The last one gives the page back: drop it after the lock is dropped.
    ///
    /// # Errors
    /// The pin, if it is not of this table.
    pub fn unpin(&mut self, pin: Pin) -> Result<Option<F>, Pin> {
        let located = locate(&mut self.frames, pin.gref);
        let Some((entry, slot)) = located.filter(|_| pin.granter == self.domain) else {
            return Err(pin);
        };
        let Some(active) = slot else { return Err(pin) };
        let Some(pins) = active.pins.without(pin.access) else {
            return Err(pin);
        };
        active.pins = pins;
        entry.clear(pins.absent_flags());
        self.pinned = self.pinned.saturating_sub(1);
        Ok(if pins.is_empty() {
            slot.take().map(|active| active.page)
        } else {
            None
        })
    }
}

/// An entry as the guest sees it, and what is in use of it.
type Located<'a, S, F> = (Entry<'a, S>, &'a mut Option<Active<F>>);

fn locate<S: SharedFrame, F>(frames: &mut [Frame<S, F>], gref: u32) -> Option<Located<'_, S, F>> {
    let frame = frames.get_mut((gref / PER_FRAME) as usize)?;
    let index = gref % PER_FRAME;
    Some((
        Entry::new(&frame.shared, index),
        frame.active.get_mut(index as usize)?,
    ))
}
