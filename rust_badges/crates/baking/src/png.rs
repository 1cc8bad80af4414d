//! Credentials into PNG files: a chunk directly after IHDR, every other byte unchanged (Open Badges 3.0 §5.3.1).

use std::borrow::Cow;
use std::mem::MaybeUninit;

use crate::bytes::number;
use crate::chunks::{PREFIX, Walk, is_png};
use crate::error::{Error, Kind, refuse, refuse_whole};
use crate::limits::Limits;
use crate::payload::check_payload;
use crate::plan::{INSERT_AT, PngPlan};

/// Bytes of a credential's chunk beside the credential.
const CHUNK: usize = 36;

/// Type and beginning of the credential's chunk, the same in every one, and its checksum so far.
const LEAD: [u8; 28] = *b"iTXtopenbadgecredential\0\0\0\0\0";
const LEAD_CRC: u32 = crc(&LEAD);

/// Validates a PNG with all its checksums and returns the plan for baking into it.
pub fn scan_png(image: &[u8], limits: &Limits) -> Result<PngPlan, Error> {
    let mut chunks = 0;
    let mut existing = Vec::new();
    for piece in Walk::new(image, limits, true)? {
        let piece = piece?;
        chunks += 1;
        if piece.is_credential(image) {
            existing.push((narrow(piece.offset), narrow(piece.end + 4)));
        }
    }
    Ok(PngPlan { size: narrow(image.len()), header_crc: number(image, INSERT_AT - 4), chunks, existing })
}

/// A PNG with a credential in it, not yet written anywhere: its length, and its bytes on demand.
#[derive(Debug)]
pub struct BakedPng<'a> {
    image: &'a [u8],
    payload: &'a [u8],
    plan: Cow<'a, PngPlan>,
    size: [u8; 4],
    crc: [u8; 4],
    length: usize,
}

/// Bakes a credential (JSON or compact JWS) into a PNG; the result is 36 bytes and the payload longer.
///
/// Without a plan the picture is validated first. A picture that holds a credential is refused, or with `overwrite` loses all it holds.
pub fn bake_png<'a>(
    image: &'a [u8],
    payload: &'a [u8],
    plan: Option<&'a PngPlan>,
    overwrite: bool,
    limits: &Limits,
) -> Result<BakedPng<'a>, Error> {
    let plan = match plan {
        None => Cow::Owned(scan_png(image, limits)?),
        Some(plan) if fits(plan, image) => Cow::Borrowed(plan),
        Some(_) => return refuse_whole(Kind::PlanMismatch),
    };
    check_payload(payload, limits.text_bytes)?;
    if let Some((start, _)) = plan.existing.first()
        && !overwrite
    {
        return refuse(Kind::CredentialDuplicate, wide(*start));
    }
    if wide(plan.chunks) - plan.existing.len() + 1 > limits.chunks {
        return refuse_whole(Kind::LimitChunks);
    }
    let dropped: usize = plan.existing.iter().map(|(start, end)| wide(end - start)).sum();
    let length = image.len() - dropped + payload.len() + CHUNK;
    if length > limits.png_bytes {
        return refuse_whole(Kind::LimitFile);
    }
    let mut crc = crc32fast::Hasher::new_with_initial(LEAD_CRC);
    crc.update(payload);
    let size = narrow(PREFIX.len() + payload.len()).to_be_bytes();
    Ok(BakedPng { image, payload, plan, size, crc: crc.finalize().to_be_bytes(), length })
}

impl BakedPng<'_> {
    /// Number of bytes of the result.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Hands the bytes of the result over, part by part.
    pub fn parts(&self, mut each: impl FnMut(&[u8])) {
        each(&self.image[..INSERT_AT]);
        each(&self.size);
        each(&LEAD);
        each(self.payload);
        each(&self.crc);
        let mut at = INSERT_AT;
        for (start, end) in &self.plan.existing {
            each(&self.image[at..wide(*start)]);
            at = wide(*end);
        }
        each(&self.image[at..]);
    }

    /// Writes the result to the beginning of a buffer of at least [`BakedPng::length`] bytes; returns how many were written.
    ///
    /// # Panics
    ///
    /// Panics when the buffer is shorter.
    pub fn write_to(&self, buffer: &mut [MaybeUninit<u8>]) -> usize {
        let mut at = 0;
        self.parts(|part| {
            for (place, byte) in buffer[at..at + part.len()].iter_mut().zip(part) {
                place.write(*byte);
            }
            at += part.len();
        });
        at
    }

    /// The result as bytes of its own.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.length);
        self.parts(|part| out.extend_from_slice(part));
        out
    }
}

/// Validates uploaded art and returns it without eXIf, tEXt, iTXt and zTXt chunks and without what follows IEND.
pub fn strip_png(image: &[u8], limits: &Limits) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(image.len());
    let (mut kept, mut at) = (0, 0);
    for piece in Walk::new(image, limits, true)? {
        let piece = piece?;
        at = piece.end + 4;
        if matches!(&piece.kind, b"eXIf" | b"tEXt" | b"iTXt" | b"zTXt") {
            out.extend_from_slice(&image[kept..piece.offset]);
            kept = at;
        }
    }
    out.extend_from_slice(&image[kept..at]);
    Ok(out)
}

fn fits(plan: &PngPlan, image: &[u8]) -> bool {
    wide(plan.size) == image.len() && is_png(image) && plan.header_crc == number(image, INSERT_AT - 4)
}

/// CRC-32 bit by bit, for what is known when this is compiled.
const fn crc(bytes: &[u8]) -> u32 {
    let mut register = u32::MAX;
    let mut at = 0;
    while at < bytes.len() {
        register ^= bytes[at] as u32;
        let mut bit = 0;
        while bit < 8 {
            register = (register >> 1) ^ (0xedb8_8320 & (register & 1).wrapping_neg());
            bit += 1;
        }
        at += 1;
    }
    !register
}

/// An offset in a file whose size was checked against [`Limits::png_bytes`].
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

fn wide(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
