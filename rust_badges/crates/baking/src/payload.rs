//! What may be baked, and what was found: JSON, a compact JWS, a URL, or something else.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::bytes::{BLOCK, first, trim};
use crate::error::{Error, Kind, refuse, refuse_whole};

/// What is baked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Baked {
    Json,
    Jws,
}

/// Tells what a payload is by its first bytes; white space around it does not count.
pub(crate) fn content_of(payload: &[u8]) -> &'static str {
    let trimmed = trim(payload);
    if trimmed.starts_with(b"{") {
        "json"
    } else if is_jws(trimmed) {
        "jws"
    } else if trimmed.starts_with(b"http://") || trimmed.starts_with(b"https://") {
        "url"
    } else {
        "other"
    }
}

/// Checks what is to be baked. Whether JSON is well-formed is the business of whoever made it; offsets are those in the payload.
pub(crate) fn check_payload(payload: &[u8], most: usize) -> Result<Baked, Error> {
    if payload.len() > most {
        return refuse_whole(Kind::LimitPayload);
    }
    if is_jws(payload) {
        return Ok(Baked::Jws);
    }
    if let Err(wrong) = std::str::from_utf8(payload) {
        return refuse(Kind::PayloadUtf8, wrong.valid_up_to());
    }
    if let Some(at) = first(payload, |byte| (byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r')) {
        return refuse(Kind::PayloadControl, at);
    }
    let trimmed = trim(payload);
    if trimmed.starts_with(b"{") && trimmed.ends_with(b"}") { Ok(Baked::Json) } else { refuse_whole(Kind::PayloadForm) }
}

/// Rewrites JSON so that it can stand in CDATA: `>` and non-ASCII characters, which only strings can hold, as `\uXXXX`, CR as a space.
pub(crate) fn json_for_cdata(payload: &[u8]) -> Cow<'_, [u8]> {
    if first(payload, |byte| (byte > 0x7f) | (byte == b'>') | (byte == b'\r')).is_none() {
        return Cow::Borrowed(payload);
    }
    let mut out = String::with_capacity(payload.len() * 2);
    let mut units = [0; 2];
    for character in String::from_utf8_lossy(payload).chars() {
        match character {
            '\r' => out.push(' '),
            '>' | '\u{80}'.. => {
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            _ => out.push(character),
        }
    }
    Cow::Owned(out.into_bytes())
}

/// The JSON that Badger-MU put into a verify attribute as base64; None for anything else.
pub(crate) fn json_in_base64(verify: &[u8]) -> Option<Vec<u8>> {
    if verify.is_empty() || !verify.len().is_multiple_of(4) {
        return None;
    }
    let padding = verify.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(verify.len() / 4 * 3);
    let (mut bits, mut have) = (0_u32, 0_u32);
    for byte in &verify[..verify.len() - padding] {
        bits = (bits << 6 | u32::from(sextet(*byte)?)) & 0xffff;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.extend((bits >> have).to_le_bytes().first());
        }
    }
    let json = out.iter().find(|byte| !crate::bytes::is_white(**byte)) == Some(&b'{');
    json.then_some(out)
}

/// Whether text is a compact JWS: three parts of base64url, none of them empty. Such text is ASCII.
pub(crate) fn is_jws(text: &[u8]) -> bool {
    let mut dots = Dots::default();
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let parted =
        blocks.iter().enumerate().all(|(number, block)| dots.read(block, number * BLOCK)) && dots.read(rest, text.len() - rest.len());
    let [one, two] = dots.at;
    parted && dots.count == 2 && one > 0 && two > one + 1 && two + 1 < text.len()
}

/// The dots between the parts of a compact JWS.
#[derive(Default)]
struct Dots {
    count: usize,
    at: [usize; 2],
}

impl Dots {
    /// Reads on; false for any byte that is neither base64url nor a dot, and for a third dot.
    #[inline]
    fn read(&mut self, block: &[u8], offset: usize) -> bool {
        let (mut foreign, mut dots) = (0_u8, 0_u8);
        for byte in block {
            let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
            let digit = byte.wrapping_sub(b'0') < 10;
            let dot = *byte == b'.';
            foreign |= u8::from(!(letter | digit | (*byte == b'-') | (*byte == b'_') | dot));
            dots += u8::from(dot);
        }
        if foreign != 0 || usize::from(dots) > self.at.len() - self.count {
            return false;
        }
        let mut from = 0;
        for _ in 0..dots {
            from += block[from..].iter().take_while(|byte| **byte != b'.').count();
            self.at[self.count] = offset + from;
            self.count += 1;
            from += 1;
        }
        true
    }
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
