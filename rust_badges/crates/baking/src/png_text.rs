//! Credentials out of PNG files: the chunk of Open Badges 3.0, and what came before it.

use std::borrow::Cow;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use crate::Extracted;
use crate::chunks::{Piece, Walk};
use crate::error::{Error, Kind, refuse};
use crate::limits::Limits;
use crate::payload::content_of;

pub(crate) const CURRENT: &str = "openbadges-3";
const KEYWORD_MOST: usize = 79;

/// The form of the credential that a chunk carries, None for any other chunk.
pub(crate) fn form_of(image: &[u8], piece: &Piece) -> Option<&'static str> {
    if !matches!(&piece.kind, b"iTXt" | b"tEXt") {
        return None;
    }
    let content = piece.content(image);
    let length = content.iter().take(KEYWORD_MOST + 1).position(|byte| *byte == 0)?;
    match (&piece.kind, &content[..length]) {
        (b"iTXt", b"openbadgecredential") => Some(CURRENT),
        (b"iTXt", b"openbadges") => Some("openbadges-2"),
        (b"tEXt", b"openbadges") => Some("openbadges-1"),
        (b"iTXt", b"clrcredential") => Some("clr"),
        _ => None,
    }
}

/// The credential in a PNG, None where there is none.
///
/// The first Open Badges 3.0 chunk wins, and nothing behind it is read; without one, the first of an older form. `strict` validates the
/// whole file first, and refuses what is otherwise a warning, and a second chunk.
pub fn extract_png<'a>(image: &'a [u8], strict: bool, limits: &Limits) -> Result<Option<Extracted<'a>>, Error> {
    let mut chosen: Option<(Piece, &'static str)> = None;
    for piece in Walk::new(image, limits, strict)? {
        let piece = piece?;
        let Some(form) = form_of(image, &piece) else { continue };
        let current = form == CURRENT;
        match chosen {
            Some((_, CURRENT)) if current => return refuse(Kind::CredentialDuplicate, piece.offset),
            None => chosen = Some((piece, form)),
            Some((_, before)) if current && before != CURRENT => chosen = Some((piece, form)),
            Some(_) => {}
        }
        if current && !strict {
            break;
        }
    }
    chosen.map(|(piece, form)| read(image, &piece, form, strict, limits)).transpose()
}

fn read<'a>(image: &'a [u8], piece: &Piece, form: &'static str, strict: bool, limits: &Limits) -> Result<Extracted<'a>, Error> {
    if !piece.is_intact(image) {
        return refuse(Kind::PngCrc, piece.end);
    }
    let content = piece.content(image);
    let keyword = content.iter().position(|byte| *byte == 0).unwrap_or(content.len() - 1);
    let rest = &content[keyword + 1..];
    let mut warnings = Vec::new();
    let (payload, kind) = if &piece.kind == b"iTXt" {
        let (text, start) = international(rest, piece.start + keyword + 1, &mut warnings, limits)?;
        let kind = content_of(&text);
        if kind != "jws"
            && let Err(wrong) = std::str::from_utf8(&text)
        {
            let within = if matches!(text, Cow::Owned(_)) { 0 } else { wrong.valid_up_to() };
            return refuse(Kind::CredentialUtf8, start + within);
        }
        (text, kind)
    } else {
        (Cow::Borrowed(rest), content_of(rest))
    };
    if payload.len() > limits.text_bytes {
        return refuse(Kind::LimitPayload, piece.offset);
    }
    if payload.is_empty() {
        return refuse(Kind::CredentialEmpty, piece.offset);
    }
    if form == CURRENT && !matches!(kind, "json" | "jws") {
        warnings.push(Kind::CredentialForm);
    }
    match warnings.first() {
        Some(first) if strict => refuse(*first, piece.offset),
        _ => Ok(Extracted { payload, form, content: kind, offset: piece.offset, warnings }),
    }
}

/// Takes an iTXt chunk apart after its keyword; returns the text and where it begins in the file (ISO/IEC 15948 §11.3.4.5).
fn international<'a>(rest: &'a [u8], offset: usize, warnings: &mut Vec<Kind>, limits: &Limits) -> Result<(Cow<'a, [u8]>, usize), Error> {
    let zero = |from: usize| rest.get(from..).and_then(|tail| tail.iter().position(|byte| *byte == 0)).map(|at| from + at);
    let Some(translated) = zero(2).and_then(|language| zero(language + 1)) else {
        return refuse(Kind::CredentialFormat, offset);
    };
    let (flag, method) = (rest[0], rest[1]);
    if flag > 1 || (flag == 1 && method != 0) {
        return refuse(Kind::CredentialFormat, offset);
    }
    if method != 0 || translated != 3 {
        warnings.push(Kind::CredentialLanguage);
    }
    let (text, start) = (&rest[translated + 1..], offset + translated + 1);
    if flag == 0 {
        return Ok((Cow::Borrowed(text), start));
    }
    warnings.push(Kind::CredentialCompressed);
    match inflate(text, limits.inflated_bytes) {
        Ok(inflated) => Ok((Cow::Owned(inflated), start)),
        Err(kind) => refuse(kind, start),
    }
}

/// Inflates a zlib stream that must end where the bytes end, to at most `most` bytes.
fn inflate(compressed: &[u8], most: usize) -> Result<Vec<u8>, Kind> {
    let mut out = vec![0; most + 1];
    let flags = inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, read, written) = decompress(&mut DecompressorOxide::new(), compressed, &mut out, 0, flags);
    if written > most {
        return Err(Kind::LimitInflated);
    }
    if status != TINFLStatus::Done || read != compressed.len() {
        return Err(Kind::PngInflate);
    }
    out.truncate(written);
    Ok(out)
}
