//! Small pictures for examples and tests.

use crate::chunks::SIGNATURE;

/// A chunk of a PNG with length and checksum.
#[must_use]
pub fn chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    out.extend_from_slice(&kind);
    out.extend_from_slice(content);
    out.extend_from_slice(&crc32fast::hash(&out[4..]).to_be_bytes());
    out
}

/// The IHDR chunk of an 8-bit RGBA picture.
#[must_use]
pub fn header(width: u32, height: u32) -> Vec<u8> {
    let mut content = [width.to_be_bytes(), height.to_be_bytes()].concat();
    content.extend_from_slice(&[8, 6, 0, 0, 0]);
    chunk(*b"IHDR", &content)
}

/// A PNG of the given dimensions whose picture data are not deflated pixels: enough for everything that never inflates them.
#[must_use]
pub fn png(width: u32, height: u32) -> Vec<u8> {
    png_of(&[header(width, height), chunk(*b"IDAT", b"pixels"), chunk(*b"IEND", b"")])
}

/// A PNG of the given chunks.
#[must_use]
pub fn png_of(chunks: &[Vec<u8>]) -> Vec<u8> {
    [SIGNATURE.to_vec(), chunks.concat()].concat()
}
