use super::*;

/// RFC 1071 §4.1, word by word.
fn by_words(bytes: &[u8]) -> [u8; 2] {
    let mut sum = 0_u32;
    for word in bytes.chunks(2) {
        sum += u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("folded").to_be_bytes()
}

#[test]
fn sums_of_any_length_are_those_of_rfc_1071() {
    let bytes: Vec<u8> = (0..200_u8).map(|number| number.wrapping_mul(151).wrapping_add(89)).collect();
    for length in 0..bytes.len() {
        assert_eq!(Sum::default().bytes(&bytes[..length]).partial(), by_words(&bytes[..length]), "{length} bytes");
        let halves = Sum::default().bytes(&bytes[..length / 2 * 2]).bytes(&bytes[length / 2 * 2..]);
        assert_eq!(halves.partial(), by_words(&bytes), "in two parts at {length}");
    }
    assert_eq!(Sum::default().bytes(&[0xff; 65_535]).partial(), by_words(&[0xff; 65_535]));
}

#[test]
fn the_example_of_rfc_1071_holds() {
    let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(Sum::default().bytes(&bytes).partial(), [0xdd, 0xf2]);
    assert_eq!(Sum::default().bytes(&bytes).checksum(), [0x22, 0x0d]);
    assert!(Sum::default().bytes(&bytes).number(0x220d).is_whole());
}

#[test]
fn what_is_taken_away_was_never_there() {
    for number in [1, 2, 0x1234, 0xfffe] {
        let sum = Sum::default().bytes(&[0xab, 0xcd, 0x12]).number(number).without(number);
        assert_eq!(sum.partial(), Sum::default().bytes(&[0xab, 0xcd, 0x12]).partial());
    }
}

#[test]
fn a_checksum_of_zero_is_written_as_ones() {
    assert_eq!(Sum::default().number(0xffff).checksum(), [0xff, 0xff]);
    assert_eq!(Sum::default().number(0xffff).header_checksum(), [0, 0]);
}

#[test]
fn a_field_beyond_the_end_is_not_filled_in() {
    let mut packet = [1; 10];
    assert_eq!(fill_in(&mut packet, 11, 0), None);
    assert_eq!(fill_in(&mut packet, 4, 5), None);
    assert_eq!(fill_in(&mut packet, 4, usize::from(u16::MAX)), None);
    assert_eq!(packet, [1; 10]);
    assert_eq!(fill_in(&mut packet, 4, 4), Some(()));
}
