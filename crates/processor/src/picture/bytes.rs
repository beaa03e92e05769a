//! Numbers in files.

/// Two bytes, the lower first.
pub(super) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Four bytes, the lowest first.
pub(super) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The pixels of a row whose samples have 1, 2, 4 or 8 bits, the highest bits first.
pub(super) fn unpack(row: &[u8], bits: u8, count: usize) -> impl Iterator<Item = u8> {
    let most = u8::MAX >> (8 - bits);
    row.iter().flat_map(move |&byte| (0..8 / bits).map(move |at| byte >> (8 - bits - at * bits) & most)).take(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!((le16(&[0, 1, 2], 1), le16(&[0, 1, 2], 2), le16(&[0], usize::MAX)), (Some(0x201), None, None));
        assert_eq!((le32(&[1, 2, 3, 4], 0), le32(&[1, 2, 3], 0)), (Some(0x0403_0201), None));
    }

    #[test]
    fn samples() {
        let all = |bits, count| unpack(&[0b1011_0001, 0xFF], bits, count).collect::<Vec<u8>>();
        assert_eq!(all(1, 9), [1, 0, 1, 1, 0, 0, 0, 1, 1]);
        assert_eq!(all(2, 5), [2, 3, 0, 1, 3]);
        assert_eq!(all(4, 3), [11, 1, 15]);
        assert_eq!(all(8, 2), [0xB1, 0xFF]);
    }
}
