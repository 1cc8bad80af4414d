//! Walks over the chunks of a PNG and holds each against the standard's structure (ISO/IEC 15948 §5, §11); nothing is inflated.

use crate::bytes::{number, starts};
use crate::error::{Error, Kind, refuse, refuse_whole};
use crate::limits::Limits;

pub(crate) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
pub(crate) const KEYWORD: &[u8] = b"openbadgecredential";
/// Bytes of an iTXt chunk before its text, as Open Badges 3.0 wants them: keyword, flag, method, no language, no translation.
pub(crate) const PREFIX: &[u8; 24] = b"openbadgecredential\0\0\0\0\0";

const LONGEST: u32 = (1 << 31) - 1;
const FRAME: usize = 12;

/// A chunk: type, offset of its length field, and the range of its content; the next one begins 4 bytes after `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub kind: [u8; 4],
    pub offset: usize,
    pub start: usize,
    pub end: usize,
}

impl Piece {
    pub(crate) fn content<'a>(&self, image: &'a [u8]) -> &'a [u8] {
        &image[self.start..self.end]
    }

    /// Whether this is the chunk of Open Badges 3.0: iTXt with exactly its keyword.
    pub(crate) fn is_credential(&self, image: &[u8]) -> bool {
        &self.kind == b"iTXt" && self.content(image).strip_prefix(KEYWORD).is_some_and(|rest| rest.first() == Some(&0))
    }

    /// Whether the checksum fits type and content.
    pub(crate) fn is_intact(&self, image: &[u8]) -> bool {
        crc32fast::hash(&image[self.offset + 4..self.end]) == number(image, self.end)
    }
}

/// The walk: an iterator over the chunks up to IEND, each after it was checked.
pub(crate) struct Walk<'a> {
    image: &'a [u8],
    limits: &'a Limits,
    checksums: bool,
    at: usize,
    count: usize,
    ancillary: usize,
    colour: u8,
    palette: bool,
    pictures: bool,
    before: [u8; 4],
}

impl<'a> Walk<'a> {
    /// Begins a walk; without `checksums` only that of IHDR is computed.
    pub(crate) fn new(image: &'a [u8], limits: &'a Limits, checksums: bool) -> Result<Self, Error> {
        if image.len() > limits.png_bytes {
            return refuse_whole(Kind::LimitFile);
        }
        if !image.starts_with(SIGNATURE) {
            return refuse(Kind::PngSignature, 0);
        }
        Ok(Self {
            image,
            limits,
            checksums,
            at: SIGNATURE.len(),
            count: 0,
            ancillary: 0,
            colour: 0,
            palette: false,
            pictures: false,
            before: [0; 4],
        })
    }

    /// The next chunk, None after IEND.
    pub(crate) fn step(&mut self) -> Result<Option<Piece>, Error> {
        if &self.before == b"IEND" {
            return Ok(None);
        }
        let at = self.at;
        if at == self.image.len() {
            return refuse(Kind::PngIend, at);
        }
        let piece = self.frame()?;
        self.count += 1;
        if self.count > self.limits.chunks {
            return refuse(Kind::LimitChunks, at);
        }
        if piece.kind[0] & 0x20 != 0 {
            self.ancillary(&piece)?;
        } else if !matches!(&piece.kind, b"IHDR" | b"PLTE" | b"IDAT" | b"IEND") {
            return refuse(Kind::PngCritical, at);
        }
        if (self.count == 1) != (&piece.kind == b"IHDR") {
            return refuse(Kind::PngIhdr, at);
        }
        if (self.checksums || self.count == 1) && !piece.is_intact(self.image) {
            return refuse(Kind::PngCrc, piece.end);
        }
        match &piece.kind {
            b"IHDR" => self.header(&piece)?,
            b"PLTE" => self.palette(&piece)?,
            b"IDAT" => self.picture(at)?,
            b"IEND" if piece.end != piece.start => return refuse(Kind::PngIend, at),
            b"IEND" if !self.pictures => return refuse(Kind::PngIdat, at),
            _ => {}
        }
        self.at = piece.end + 4;
        self.before = piece.kind;
        Ok(Some(piece))
    }

    fn frame(&self) -> Result<Piece, Error> {
        let (at, image) = (self.at, self.image);
        if image.len() - at < FRAME {
            return refuse(Kind::PngTruncated, at);
        }
        let length = number(image, at);
        if length > LONGEST {
            return refuse(Kind::PngLength, at);
        }
        let mut kind = [0; 4];
        kind.copy_from_slice(&image[at + 4..at + 8]);
        if !kind.iter().all(u8::is_ascii_alphabetic) {
            return refuse(Kind::PngType, at + 4);
        }
        match usize::try_from(length) {
            Ok(length) if length <= image.len() - at - FRAME => Ok(Piece { kind, offset: at, start: at + 8, end: at + 8 + length }),
            _ => refuse(Kind::PngTruncated, at),
        }
    }

    fn ancillary(&mut self, piece: &Piece) -> Result<(), Error> {
        let credential = piece.is_credential(self.image);
        self.ancillary += usize::from(!credential);
        if self.ancillary > self.limits.ancillary_chunks {
            return refuse(Kind::LimitAncillary, piece.offset);
        }
        if matches!(&piece.kind, b"tEXt" | b"zTXt" | b"iTXt") {
            let (kind, beside) = if credential { (Kind::LimitPayload, PREFIX.len()) } else { (Kind::LimitText, 0) };
            if piece.end - piece.start > self.limits.text_bytes + beside {
                return refuse(kind, piece.offset);
            }
        }
        Ok(())
    }

    fn header(&mut self, piece: &Piece) -> Result<(), Error> {
        let content = piece.content(self.image);
        if content.len() != 13 {
            return refuse(Kind::PngIhdr, piece.offset);
        }
        let (width, height) = dimensions(self.image);
        let known = 1..=LONGEST;
        if !known.contains(&width) || !known.contains(&height) {
            return refuse(Kind::PngDimensions, 16);
        }
        if u64::from(width) > self.limits.width as u64 {
            return refuse(Kind::LimitWidth, 16);
        }
        if u64::from(height) > self.limits.height as u64 {
            return refuse(Kind::LimitHeight, 20);
        }
        if u64::from(width) * u64::from(height) > self.limits.area as u64 {
            return refuse(Kind::LimitArea, 16);
        }
        // Colour type → bit depths (ISO/IEC 15948 table 11.1).
        let depths: &[u8] = match content[9] {
            0 => &[1, 2, 4, 8, 16],
            3 => &[1, 2, 4, 8],
            2 | 4 | 6 => &[8, 16],
            _ => &[],
        };
        if !depths.contains(&content[8]) || content[10] != 0 || content[11] != 0 || content[12] > 1 {
            return refuse(Kind::PngIhdr, 24);
        }
        self.colour = content[9];
        Ok(())
    }

    fn palette(&mut self, piece: &Piece) -> Result<(), Error> {
        let length = piece.end - piece.start;
        let size = length.is_multiple_of(3) && (3..=3 * 256).contains(&length);
        if self.palette || self.pictures || !size || matches!(self.colour, 0 | 4) {
            return refuse(Kind::PngPalette, piece.offset);
        }
        self.palette = true;
        Ok(())
    }

    fn picture(&mut self, at: usize) -> Result<(), Error> {
        if self.pictures && &self.before != b"IDAT" {
            return refuse(Kind::PngIdat, at);
        }
        if self.colour == 3 && !self.palette {
            return refuse(Kind::PngPalette, at);
        }
        self.pictures = true;
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Piece, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Width and height of a PNG whose IHDR was walked over.
pub(crate) fn dimensions(image: &[u8]) -> (u32, u32) {
    (number(image, 16), number(image, 20))
}

/// Whether bytes are a PNG by their signature.
pub(crate) fn is_png(image: &[u8]) -> bool {
    starts(image, 0, SIGNATURE)
}
