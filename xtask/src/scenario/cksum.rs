//! The checksum of `cksum` (POSIX.1-2017, XCU cksum): a CRC over the bytes and their number.

const POLYNOMIAL: u32 = 0x04c1_1db7;

/// What `cksum` prints first for `bytes`.
pub(super) fn cksum(bytes: &[u8]) -> u32 {
    let mut crc = bytes.iter().fold(0, |crc, &byte| step(crc, byte));
    let mut length = bytes.len();
    while length != 0 {
        crc = step(crc, (length & 0xff) as u8);
        length >>= 8;
    }
    !crc
}

fn step(crc: u32, byte: u8) -> u32 {
    let mut crc = crc ^ u32::from(byte) << 24;
    for _ in 0..8 {
        crc = if crc >> 31 == 1 {
            crc << 1 ^ POLYNOMIAL
        } else {
            crc << 1
        };
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::cksum;

    #[test]
    fn sums_are_those_of_the_program() {
        assert_eq!(cksum(b""), 4_294_967_295);
        assert_eq!(cksum(b"123456789"), 930_766_865);
    }
}
