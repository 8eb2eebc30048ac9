//! How the ABI's structures are declared: their layout is checked when they are compiled, and they
//! are read from and written to bytes, so that nobody needs `unsafe` to copy them.
//!
//! The ABI is little-endian on every architecture that it exists for.

use crate::{DomId, Port};

/// A field's type: how it is read from and written to little-endian bytes.
pub(crate) trait Field: Copy {
    /// Reads it at `offset` of `bytes`, which holds it whole.
    fn get(bytes: &[u8], offset: usize) -> Self;
    /// Writes it at `offset` of `bytes`, which holds it whole.
    fn put(self, bytes: &mut [u8], offset: usize);
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Field for $int {
            fn get(bytes: &[u8], offset: usize) -> Self {
                let mut raw = [0; size_of::<$int>()];
                raw.copy_from_slice(&bytes[offset..offset + size_of::<$int>()]);
                <$int>::from_le_bytes(raw)
            }
            fn put(self, bytes: &mut [u8], offset: usize) {
                bytes[offset..offset + size_of::<$int>()].copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, i16, i32);

impl<T: Field + Default, const N: usize> Field for [T; N] {
    fn get(bytes: &[u8], offset: usize) -> Self {
        let mut array = [T::default(); N];
        for (index, item) in array.iter_mut().enumerate() {
            *item = T::get(bytes, offset + index * size_of::<T>());
        }
        array
    }
    fn put(self, bytes: &mut [u8], offset: usize) {
        for (index, item) in self.into_iter().enumerate() {
            item.put(bytes, offset + index * size_of::<T>());
        }
    }
}

impl Field for DomId {
    fn get(bytes: &[u8], offset: usize) -> Self {
        Self(u16::get(bytes, offset))
    }
    fn put(self, bytes: &mut [u8], offset: usize) {
        self.0.put(bytes, offset);
    }
}

impl Field for Port {
    fn get(bytes: &[u8], offset: usize) -> Self {
        Self(u32::get(bytes, offset))
    }
    fn put(self, bytes: &mut [u8], offset: usize) {
        self.0.put(bytes, offset);
    }
}

/// Declares structures of the ABI: `Name: size { field: type = offset }`. Sizes and offsets are
/// those of AAPCS64 and are asserted; bytes between the fields are padding.
macro_rules! wire {
    ($($(#[$doc:meta])* $name:ident: $size:literal {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $offset:literal),* $(,)?
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(C)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type),* }

        const _: () = {
            assert!(size_of::<$name>() == $size);
            $(assert!(core::mem::offset_of!($name, $field) == $offset);)*
        };

        impl $name {
            /// Bytes in guest memory.
            pub const SIZE: usize = $size;

            /// Reads it from its bytes; padding is ignored.
            pub fn from_bytes(bytes: &[u8; $size]) -> Self {
                Self { $($field: crate::wire::Field::get(bytes, $offset)),* }
            }

            /// Writes its fields over `bytes` and leaves the padding as it is.
            pub fn write_to(self, bytes: &mut [u8; $size]) {
                $(crate::wire::Field::put(self.$field, bytes, $offset);)*
            }

            /// Its bytes, with padding of zero.
            pub fn to_bytes(self) -> [u8; $size] {
                let mut bytes = [0; $size];
                self.write_to(&mut bytes);
                bytes
            }
        }
    )*};
}
pub(crate) use wire;

#[cfg(test)]
#[allow(unreachable_pub)]
mod tests {
    use crate::DomId;

    wire! {
        /// Has padding, an id and an array.
        Sample: 24 { id: DomId = 0, wide: u64 = 8, pair: [u16; 2] = 16, signed: i16 = 20 }
    }

    #[test]
    fn structures_are_little_endian_and_padding_is_kept() {
        let sample = Sample {
            id: DomId(0x7ff0),
            wide: 0x0102_0304_0506_0708,
            pair: [9, 10],
            signed: -3,
        };
        let mut bytes = [0xaa; 24];
        sample.write_to(&mut bytes);
        assert_eq!(bytes[..4], [0xf0, 0x7f, 0xaa, 0xaa]);
        assert_eq!(bytes[8..16], [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(bytes[16..], [9, 0, 10, 0, 0xfd, 0xff, 0xaa, 0xaa]);
        assert_eq!(Sample::from_bytes(&bytes), sample);
        assert_eq!(sample.to_bytes()[2..8], [0; Sample::SIZE - 18]);
    }

    #[test]
    fn a_structure_in_a_structure_is_read_in_its_place() {
        use crate::grant::{Copy, CopyEnd};
        let end = |place| CopyEnd {
            place,
            domid: DomId::SELF,
            offset: 7,
        };
        let copy = Copy {
            source: end(1),
            dest: end(u64::MAX),
            len: 3,
            flags: 2,
            status: -9,
        };
        let bytes = copy.to_bytes();
        assert_eq!(Copy::from_bytes(&bytes), copy);
        assert_eq!(
            (bytes[0], bytes[8], bytes[10], bytes[16]),
            (1, 0xf0, 7, 0xff)
        );
        assert_eq!(CopyEnd::from_bytes(bytes[..16].try_into().unwrap()), end(1));
        assert_eq!(bytes[36..], [0xf7, 0xff, 0, 0]);
    }
}
