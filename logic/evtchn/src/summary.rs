//! A bitmap with one bit for each bucket of ports, searched in constant time.

/// Buckets at most: 131072 ports by 64.
pub(crate) const MAX_BUCKETS: u32 = 2048;

/// A set of bucket numbers below [`MAX_BUCKETS`]. Bit `i` of `top` says that `words[i]` is not 0.
#[derive(Default)]
pub(crate) struct Summary {
    top: u32,
    words: [u64; 32],
}

impl Summary {
    pub(crate) fn insert(&mut self, bucket: u32) {
        if let Some(word) = self.words.get_mut((bucket >> 6) as usize) {
            *word |= 1 << (bucket & 63);
            self.top |= 1 << (bucket >> 6);
        }
    }

    pub(crate) fn remove(&mut self, bucket: u32) {
        if let Some(word) = self.words.get_mut((bucket >> 6) as usize) {
            *word &= !(1 << (bucket & 63));
            if *word == 0 {
                self.top &= !(1 << (bucket >> 6));
            }
        }
    }

    /// The lowest from `from` on.
    pub(crate) fn next(&self, from: u32) -> Option<u32> {
        let first = from >> 6;
        let word = self.words.get(first as usize)? & (u64::MAX << (from & 63));
        if word != 0 {
            return Some(first << 6 | word.trailing_zeros());
        }
        let later = self.top & (u32::MAX << first << 1);
        let index = later.trailing_zeros();
        let word = self.words.get(index as usize)?;
        Some(index << 6 | word.trailing_zeros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_as_a_set() {
        let mut summary = Summary::default();
        assert_eq!(summary.next(0), None);
        for bucket in [2047, 64, 63, 1984] {
            summary.insert(bucket);
        }
        summary.insert(MAX_BUCKETS);
        assert_eq!(summary.next(0), Some(63));
        summary.remove(63);
        assert_eq!(summary.next(0), Some(64));
        summary.remove(64);
        assert_eq!(summary.next(0), Some(1984));
    }

    #[test]
    fn finds_the_next() {
        let mut summary = Summary::default();
        for bucket in [5, 70, 2047] {
            summary.insert(bucket);
        }
        let found: Vec<_> = [0, 5, 6, 64, 71, 1983, 2047, 2048, u32::MAX]
            .map(|from| summary.next(from))
            .into_iter()
            .collect();
        let last = Some(2047);
        assert_eq!(
            found,
            [
                Some(5),
                Some(5),
                Some(70),
                Some(70),
                last,
                last,
                last,
                None,
                None
            ]
        );
    }
}
