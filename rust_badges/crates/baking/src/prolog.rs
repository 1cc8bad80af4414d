//! What may stand before the root of an XML document: byte order mark, declaration, document type.

use crate::bytes::{blank, starts};
use crate::error::{Error, Kind, refuse};

pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Where the document begins after byte order mark and XML declaration.
pub(crate) fn declaration(data: &[u8]) -> Result<usize, Error> {
    let at = if data.starts_with(BOM) { BOM.len() } else { 0 };
    if !starts(data, at, b"<?xml") || !data.get(at + 5).is_some_and(|byte| crate::bytes::is_white(*byte)) {
        return Ok(at);
    }
    let Some((encoding, end)) = declared(data, at + 5) else {
        return refuse(Kind::SvgSyntax, at);
    };
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"utf-8")) {
        return refuse(Kind::SvgEncoding, at);
    }
    Ok(end)
}

/// Reads a declaration from behind its "<?xml"; returns the encoding where it gives one, and where it ends.
fn declared(data: &[u8], from: usize) -> Option<(Option<&[u8]>, usize)> {
    let (version, mut at) = pseudo(data, from, b"version")?;
    if version != b"1.0" {
        return None;
    }
    let mut encoding = None;
    if let Some((value, end)) = pseudo(data, at, b"encoding") {
        let (first, rest) = value.split_first()?;
        if !first.is_ascii_alphabetic() || !rest.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte)) {
            return None;
        }
        encoding = Some(value);
        at = end;
    }
    if let Some((value, end)) = pseudo(data, at, b"standalone") {
        if !matches!(value, b"yes" | b"no") {
            return None;
        }
        at = end;
    }
    at = blank(data, at);
    starts(data, at, b"?>").then_some((encoding, at + 2))
}

/// Reads white space, `name = "value"` from an offset; returns the value and where it ends.
fn pseudo<'a>(data: &'a [u8], from: usize, name: &[u8]) -> Option<(&'a [u8], usize)> {
    let at = blank(data, from);
    if at == from || !starts(data, at, name) {
        return None;
    }
    let equals = blank(data, at + name.len());
    starts(data, equals, b"=").then_some(())?;
    quoted(data, blank(data, equals + 1))
}

fn quoted(data: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let quote = *data.get(at).filter(|byte| matches!(byte, b'"' | b'\''))?;
    let length = data[at + 1..].iter().position(|byte| *byte == quote)?;
    Some((&data[at + 1..at + 1 + length], at + length + 2))
}

/// Where the document type at an offset ends; `svg.doctype` for anything else, and for an internal subset.
pub(crate) fn doctype(data: &[u8], at: usize) -> Result<usize, Error> {
    external(data, at).map_or_else(|| refuse(Kind::SvgDoctype, at), Ok)
}

fn external(data: &[u8], at: usize) -> Option<usize> {
    let name = white(data, at + b"<!DOCTYPE".len()).filter(|_| starts(data, at, b"<!DOCTYPE"))?;
    let mut at = name + crate::xml::name_at(data, name)?.len();
    if let Some(keyword) = white(data, at) {
        let mut system = None;
        if starts(data, keyword, b"PUBLIC") {
            let (public, end) = quoted(data, white(data, keyword + 6)?)?;
            public.iter().all(|byte| byte.is_ascii_alphanumeric() || b"- \r\n'()+,./:=?;!*#@$_%".contains(byte)).then_some(())?;
            system = Some(white(data, end)?);
        } else if starts(data, keyword, b"SYSTEM") {
            system = Some(white(data, keyword + 6)?);
        }
        if let Some(system) = system {
            (_, at) = quoted(data, system)?;
        }
    }
    at = blank(data, at);
    starts(data, at, b">").then_some(at + 1)
}

/// Where white space at an offset ends; None where there is none.
fn white(data: &[u8], at: usize) -> Option<usize> {
    Some(blank(data, at)).filter(|end| *end > at)
}
