//! Where a credential goes in a PNG that was validated before, so that baking into it is copying.

use crate::bytes::number;
use crate::error::{Error, Kind, refuse_whole};

const MAGIC: &[u8] = b"SBP1";
const HEAD: usize = 20;
const RANGE: usize = 8;

/// The byte after IHDR: 8 of signature, 25 of chunk.
pub(crate) const INSERT_AT: usize = 33;

/// What a scan found: size and IHDR checksum of the picture, its number of chunks, and the ranges of credentials it already holds.
///
/// A plan holds for the bytes it was made from. Size and IHDR are compared when it is used; the rest is the caller's promise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PngPlan {
    pub(crate) size: u32,
    pub(crate) header_crc: u32,
    pub(crate) chunks: u32,
    pub(crate) existing: Vec<(u32, u32)>,
}

impl PngPlan {
    /// Size of the picture.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Checksum of IHDR as the picture has it.
    #[must_use]
    pub fn header_crc(&self) -> u32 {
        self.header_crc
    }

    /// Number of chunks.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        self.chunks
    }

    /// Ranges of the credentials that the picture already holds, in order.
    #[must_use]
    pub fn existing(&self) -> &[(u32, u32)] {
        &self.existing
    }

    /// The plan as bytes that [`PngPlan::from_bytes`] reads.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD + RANGE * self.existing.len());
        out.extend_from_slice(MAGIC);
        let count = u32::try_from(self.existing.len()).unwrap_or(u32::MAX);
        for field in [self.size, self.header_crc, self.chunks, count] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        for (start, end) in &self.existing {
            out.extend_from_slice(&start.to_be_bytes());
            out.extend_from_slice(&end.to_be_bytes());
        }
        out
    }

    /// Reads a stored plan; `plan.format` for anything that is none.
    pub fn from_bytes(stored: &[u8]) -> Result<Self, Error> {
        if stored.len() < HEAD || !stored.starts_with(MAGIC) {
            return refuse_whole(Kind::PlanFormat);
        }
        let [size, header_crc, chunks, count] = [4, 8, 12, 16].map(|at| number(stored, at));
        let ranges = &stored[HEAD..];
        if ranges.len() as u64 != u64::from(count) * RANGE as u64 {
            return refuse_whole(Kind::PlanFormat);
        }
        let existing: Vec<(u32, u32)> = ranges.chunks_exact(RANGE).map(|one| (number(one, 0), number(one, 4))).collect();
        let insert_at = u32::try_from(INSERT_AT).unwrap_or(u32::MAX);
        let mut before = insert_at;
        for (start, end) in &existing {
            if !(before <= *start && start < end && *end <= size) {
                return refuse_whole(Kind::PlanFormat);
            }
            before = *end;
        }
        if size < insert_at || chunks < count {
            return refuse_whole(Kind::PlanFormat);
        }
        Ok(Self { size, header_crc, chunks, existing })
    }
}
