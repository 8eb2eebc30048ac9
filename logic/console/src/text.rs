//! Where output goes, and a buffer on the stack to put a line together in.

use core::fmt;

/// Takes the bytes that should appear on the wire.
///
/// What is handed over in one call belongs together: it is taken as a whole or not at all.
pub trait Sink {
    /// Takes `bytes`, in order, behind everything put before.
    fn put(&mut self, bytes: &[u8]);
}

/// A text of at most `N` bytes; what does not fit is cut off.
#[derive(Clone, Copy, Debug)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
        }
    }

    /// What has been put so far.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    /// Whether nothing has been put.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether there is no room left.
    pub const fn is_full(&self) -> bool {
        self.length >= N
    }
}

impl<const N: usize> Sink for Text<N> {
    fn put(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.length..).unwrap_or(&mut []);
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
            self.length = self.length.saturating_add(1);
        }
    }
}

/// Text as it is: nothing becomes of `\n`.
impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Sink for Vec<u8> {
        fn put(&mut self, bytes: &[u8]) {
            self.extend_from_slice(bytes);
        }
    }

    #[test]
    fn a_text_keeps_what_fits() {
        let mut text = Text::<8>::new();
        assert!(text.is_empty());
        text.put(b"hello ");
        text.put(b"world");
        assert_eq!(text.as_bytes(), b"hello wo");
        assert!(text.is_full());
        text.put(b"more");
        assert_eq!(text.as_bytes(), b"hello wo");
    }
}
