//! The parts of an XML document as byte ranges, and the meaning of a range.

use std::borrow::Cow;
use std::rc::Rc;

use crate::bytes::find;

/// An attribute at `data[start..end]`, its value as written at `data[value_start..value_end]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The name as written.
    pub name: &'a [u8],
    /// Its namespace, empty for none.
    pub uri: Rc<[u8]>,
    /// The name without prefix.
    pub local: &'a [u8],
    /// Where the name begins.
    pub start: usize,
    /// Behind the closing quote.
    pub end: usize,
    /// Behind the opening quote.
    pub value_start: usize,
    /// At the closing quote.
    pub value_end: usize,
}

/// A start tag at `data[start..end]`; `closed` where it ends with "/>".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag<'a> {
    /// At the "<".
    pub start: usize,
    /// Behind the ">".
    pub end: usize,
    /// The name as written.
    pub name: &'a [u8],
    /// Its namespace, empty for none.
    pub uri: Rc<[u8]>,
    /// The name without prefix.
    pub local: &'a [u8],
    /// In order, namespace declarations included.
    pub attributes: Vec<Attribute<'a>>,
    /// Whether the tag is an element without content.
    pub closed: bool,
}

impl Tag<'_> {
    /// Where the element's name ends.
    #[must_use]
    pub fn name_end(&self) -> usize {
        self.start + 1 + self.name.len()
    }
}

/// What a document consists of, comments left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A start tag.
    Start(Tag<'a>),
    /// The end of the element that began last, at its end tag's end, or directly after a tag that closed itself.
    End(usize),
    /// Text within the root as written; the last is true for the inside of a CDATA section, where & is no reference.
    Text(usize, usize, bool),
    /// The document type.
    Doctype(usize, usize),
}

/// A reference at the beginning of `text`: the character it stands for, and its length; None where it is none that XML permits.
pub(crate) fn reference(text: &[u8]) -> Option<(char, usize)> {
    let inside = text.strip_prefix(b"&")?;
    let length = inside.iter().take(10).position(|byte| *byte == b';')?;
    let name = &inside[..length];
    let character = match name {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        _ => {
            let digits = name.strip_prefix(b"#")?;
            let number = match digits.strip_prefix(b"x") {
                Some(hexadecimal) => digits_of(hexadecimal, 16, 6)?,
                None => digits_of(digits, 10, 7)?,
            };
            let character = char::from_u32(number)?;
            if !matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..) {
                return None;
            }
            character
        }
    };
    Some((character, length + 2))
}

fn digits_of(digits: &[u8], radix: u32, most: usize) -> Option<u32> {
    if digits.is_empty() || digits.len() > most {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| Some(number * radix + char::from(*digit).to_digit(radix)?))
}

/// The meaning of a checked range: line ends and, in attributes, white space normalised, references replaced.
pub(crate) fn value_of(data: &[u8], start: usize, end: usize, attribute: bool) -> Cow<'_, [u8]> {
    let raw = &data[start..end];
    let changes = |byte: &u8| matches!(byte, b'\r' | b'&') || attribute && matches!(byte, b'\n' | b'\t');
    if !raw.iter().any(changes) {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        at += 1;
        match byte {
            b'\r' => {
                if raw.get(at) == Some(&b'\n') {
                    at += 1;
                }
                out.push(if attribute { b' ' } else { b'\n' });
            }
            b'\n' | b'\t' if attribute => out.push(b' '),
            b'&' => match reference(&raw[at - 1..]) {
                Some((character, length)) => {
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    at += length - 1;
                }
                None => out.push(byte),
            },
            _ => out.push(byte),
        }
    }
    Cow::Owned(out)
}

/// The inside of a CDATA section with line ends normalised.
pub(crate) fn verbatim(data: &[u8], start: usize, end: usize) -> Cow<'_, [u8]> {
    if find(data, b"\r", start, end).is_none() {
        return Cow::Borrowed(&data[start..end]);
    }
    let raw = &data[start..end];
    let kept = raw.iter().enumerate().filter(|(at, byte)| **byte != b'\n' || *at == 0 || raw[at - 1] != b'\r');
    Cow::Owned(kept.map(|(_, byte)| if *byte == b'\r' { b'\n' } else { *byte }).collect())
}
