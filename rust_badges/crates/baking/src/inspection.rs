//! What a picture is and carries, without taking anything out of it.

use crate::bytes::blank;
use crate::chunks::{Walk, dimensions, is_png};
use crate::error::{Error, Kind, refuse};
use crate::limits::Limits;
use crate::png_text::form_of;
use crate::prolog::BOM;
use crate::svg::scan_svg;

/// A chunk of a PNG: its type, the offset of its length field, and the length of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Four ASCII letters.
    pub kind: [u8; 4],
    /// Offset of the length field.
    pub offset: usize,
    /// Length of the content.
    pub length: usize,
}

/// A chunk or element that carries a credential: its form, and the bytes `image[start..end]` that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// As in [`crate::Extracted`].
    pub form: &'static str,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// A picture as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inspection {
    /// A PNG: what IHDR says, its chunks, the number of bytes after IEND, and what carries credentials.
    Png {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// In order.
        chunks: Vec<Chunk>,
        /// After IEND.
        trailing: usize,
        /// In order.
        found: Vec<Found>,
    },
    /// An SVG: its number of elements, and what carries credentials.
    Svg {
        /// All of them.
        elements: usize,
        /// In order.
        found: Vec<Found>,
    },
}

/// Validates a picture of either kind, checksums included, and says what it consists of.
pub fn inspect(image: &[u8], limits: &Limits) -> Result<Inspection, Error> {
    if is_png(image) {
        return png(image, limits);
    }
    let text = image.strip_prefix(BOM).unwrap_or(image);
    if text.get(blank(text, 0)) == Some(&b'<') {
        let svg = scan_svg(image, limits)?;
        let found = svg.carriers.iter().map(|one| Found { form: one.form, start: one.start, end: one.end }).collect();
        return Ok(Inspection::Svg { elements: svg.elements, found });
    }
    refuse(Kind::ImageUnknown, 0)
}

fn png(image: &[u8], limits: &Limits) -> Result<Inspection, Error> {
    let (mut chunks, mut found, mut at) = (Vec::new(), Vec::new(), 0);
    for piece in Walk::new(image, limits, true)? {
        let piece = piece?;
        at = piece.end + 4;
        chunks.push(Chunk { kind: piece.kind, offset: piece.offset, length: piece.end - piece.start });
        if let Some(form) = form_of(image, &piece) {
            found.push(Found { form, start: piece.offset, end: at });
        }
    }
    let (width, height) = dimensions(image);
    Ok(Inspection::Png { width, height, chunks, trailing: image.len() - at, found })
}
