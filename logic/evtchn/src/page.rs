//! Guest memory as the event channels see it.

/// A page of guest memory that the guest and the hypervisor both use, held mapped for as long as
/// this handle lives; dropping it gives the page back.
///
/// All accesses are atomic, little-endian, and of exactly the width that the name says. `offset` is
/// in bytes, a multiple of that width and below 4096: the callers in this crate see to it.
///
/// All are sequentially consistent (on Arm: `LDAR`, `STLR` and the atomics with `AL`). Where the
/// order of two words matters, the code says which is the partner's access: with acquire and
/// release alone, an unmask and an event at once (pending and mask) would miss each other.
///
/// The guest writes these words at any time, so an implementation that builds on exclusive loads
/// and stores must bound its attempts, and do to a domain that wins them all what it does to other
/// broken protocols; what it returns then does not matter (XSA-295).
pub trait SharedPage {
    /// Reads a byte.
    fn load8(&self, offset: u32) -> u8;
    /// Writes a byte and returns what was there.
    fn swap8(&self, offset: u32, value: u8) -> u8;
    /// Reads a word.
    fn load32(&self, offset: u32) -> u32;
    /// Writes a word.
    fn store32(&self, offset: u32, value: u32);
    /// Sets `bits` and returns what was there.
    fn fetch_or32(&self, offset: u32, bits: u32) -> u32;
    /// Keeps only `bits` and returns what was there.
    fn fetch_and32(&self, offset: u32, bits: u32) -> u32;
    /// Writes `new` if the word is `current`; one attempt, which may fail without a reason.
    ///
    /// # Errors
    /// What the word was, if it was not written.
    fn compare_exchange32(&self, offset: u32, current: u32, new: u32) -> Result<u32, u32>;
    /// Reads a double word.
    fn load64(&self, offset: u32) -> u64;
    /// Sets `bits` and returns what was there.
    fn fetch_or64(&self, offset: u32, bits: u64) -> u64;
    /// Keeps only `bits` and returns what was there.
    fn fetch_and64(&self, offset: u32, bits: u64) -> u64;
}
