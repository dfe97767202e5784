//! GPT-2's way to write any byte as a visible character.

/// The byte that a character stands for in a byte-level vocabulary.
pub(super) fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    if is_itself(code) {
        return u8::try_from(code).ok();
    }
    // The bytes that are not written as themselves follow from 256 on, in their order.
    let hidden = (0..=255_u32).filter(|byte| !is_itself(*byte));
    hidden.zip(256..).find(|(_, shown)| *shown == code).and_then(|(byte, _)| u8::try_from(byte).ok())
}

fn is_itself(code: u32) -> bool {
    matches!(code, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let characters = ('!'..='\u{143}').filter_map(|it| Some((byte_of(it)?, it)));
        let mut bytes: Vec<u8> = characters.map(|(byte, _)| byte).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!(
            (byte_of('Ġ'), byte_of('Ċ'), byte_of('ł'), byte_of('é'), byte_of('▁')),
            (Some(b' '), Some(b'\n'), Some(0xa0), Some(0xe9), None)
        );
    }
}
