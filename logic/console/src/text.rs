//! Where output goes, and a buffer on the stack to put a line together in.

/// Takes the bytes that should appear on the wire.
///
/// What is handed over in one call belongs together: it is taken as a whole or not at all.
pub trait Sink {
    /// Takes `bytes`, in order, behind everything put before.
    fn put(&mut self, bytes: &[u8]);
}

/// A text of at most `N` bytes; what does not fit is cut off.
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::new()
    }
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

    /// How many bytes have been put so far.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing has been put.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether there is no room left.
    pub const fn is_full(&self) -> bool {
        self.length >= N
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.length = 0;
    }
}

impl<const N: usize> Sink for Text<N> {
    fn put(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.length..).unwrap_or(&mut []);
        let taken = bytes.len().min(room.len());
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.length = self.length.saturating_add(taken);
    }
}

/// What stands in front of a number that is shorter than its field.
#[derive(Clone, Copy)]
pub(crate) enum Pad {
    Zero,
    Space,
}

/// Puts `value` in the base given (2 to 16), at least `width` digits wide (20 at most).
pub(crate) fn put_number(out: &mut impl Sink, mut value: u64, base: u64, width: usize, pad: Pad) {
    let padding = match pad {
        Pad::Zero => b'0',
        Pad::Space => b' ',
    };
    let mut digits = [padding; 20];
    let mut used: usize = 0;
    for place in digits.iter_mut().rev() {
        if used > 0 && value == 0 {
            break;
        }
        // A remainder of 16 at most: a digit.
        let digit = (value % base) as u8;
        *place = if digit < 10 {
            b'0'.wrapping_add(digit)
        } else {
            b'a'.wrapping_sub(10).wrapping_add(digit)
        };
        value /= base;
        used = used.saturating_add(1);
    }
    let start = digits.len().saturating_sub(used.max(width));
    out.put(digits.get(start..).unwrap_or(&[]));
}

/// Puts `value` in decimal, as short as it is.
pub(crate) fn put_decimal(out: &mut impl Sink, value: u64) {
    put_number(out, value, 10, 1, Pad::Zero);
}

#[cfg(test)]
impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_what_fits() {
        let mut text = Text::<8>::default();
        assert!(text.is_empty());
        text.put(b"hello ");
        text.put(b"world");
        assert_eq!(text.as_bytes(), b"hello wo");
        assert!(text.is_full() && text.len() == 8);
        text.put(b"more");
        assert_eq!(text.len(), 8);
        text.clear();
        assert_eq!(text.as_bytes(), b"");
    }

    #[test]
    fn numbers_are_padded() {
        let mut out = Vec::new();
        put_number(&mut out, 7, 10, 5, Pad::Space);
        put_number(&mut out, 0, 10, 2, Pad::Zero);
        put_number(&mut out, 0xdead_beef, 16, 16, Pad::Zero);
        put_decimal(&mut out, u64::MAX);
        put_number(&mut out, 123, 10, 2, Pad::Zero);
        assert_eq!(out, b"    70000000000deadbeef18446744073709551615123");
    }
}
