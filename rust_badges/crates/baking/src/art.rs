//! What an uploaded SVG may consist of: an allow-list of elements and attributes, and rules for links and styles.

use crate::allowed::{ANIMATION_ONLY, ATTRIBUTES, CUT, ELEMENTS, XLINK_ATTRIBUTES, XML_ATTRIBUTES};
use crate::bytes::find;
use crate::error::{Error, Kind, refuse};
use crate::limits::Limits;
use crate::markup::{Attribute, Event, Tag, value_of};
use crate::scope::{XMLNS, is_xml};
use crate::svg::SVG;
use crate::xml::Reader;

const XLINK: &[u8] = b"http://www.w3.org/1999/xlink";
const DETAIL_MOST: usize = 64;
/// What loads by another name than `url()`, where a value is a style.
const FUNCTIONS: [&[u8]; 5] = [b"image(", b"image-set(", b"src(", b"cross-fade(", b"element("];
/// What could load something, or hide that it does.
const LOADING: [&[u8]; 11] = [
    b"@",
    b"\\",
    b"image(",
    b"image-set(",
    b"src(",
    b"cross-fade(",
    b"element(",
    b"expression(",
    b"behavior",
    b"-moz-binding",
    b"javascript:",
];

/// Returns uploaded art without document type and without what drawing programs keep for themselves.
///
/// What is not on the list is refused: scripts, handlers, foreign objects, links to elsewhere, styles that load.
pub fn check_svg_art(image: &[u8], limits: &Limits) -> Result<Vec<u8>, Error> {
    let mut cut: Vec<(usize, usize)> = Vec::new();
    let mut skipping = None;
    let mut depth = 0;
    let mut styles = vec![false];
    let (mut style, mut style_start) = (Vec::new(), 0);
    let mut root = false;
    for event in Reader::new(image, limits)? {
        match event? {
            Event::Start(tag) => {
                depth += 1;
                if skipping.is_none() {
                    if !root && (tag.local != b"svg" || *tag.uri != *SVG) {
                        return refuse(Kind::SvgRoot, tag.start);
                    }
                    root = true;
                    if lists(CUT, &tag.uri) {
                        skipping = Some(depth);
                        cut.push((tag.start, tag.end));
                    } else {
                        check_element(&tag)?;
                        check_attributes(image, &tag, &mut cut)?;
                    }
                }
                let is_style = skipping.is_none() && tag.local == b"style";
                styles.push(is_style);
                if is_style {
                    style.clear();
                    style_start = tag.start;
                }
            }
            Event::Text(start, end, cdata) => {
                if styles.last() == Some(&true) {
                    if cdata {
                        style.extend_from_slice(&image[start..end]);
                    } else {
                        style.extend_from_slice(&value_of(image, start, end, false));
                    }
                }
            }
            Event::End(end) => {
                if styles.pop() == Some(true) && !harmless(&style) {
                    return refuse(Kind::ArtStyle, style_start);
                }
                if skipping == Some(depth) {
                    skipping = None;
                    if let Some(last) = cut.last_mut() {
                        last.1 = end;
                    }
                }
                depth -= 1;
            }
            Event::Doctype(start, end) => cut.push((start, end)),
        }
    }
    let mut out = Vec::with_capacity(image.len());
    let mut at = 0;
    for (start, end) in cut {
        out.extend_from_slice(&image[at..start]);
        at = end;
    }
    out.extend_from_slice(&image[at..]);
    Ok(out)
}

fn check_element(tag: &Tag<'_>) -> Result<(), Error> {
    if *tag.uri == *SVG && lists(ELEMENTS, tag.local) {
        return Ok(());
    }
    refuse_name(Kind::ArtElement, tag.start, tag.name)
}

/// Checks a tag's attributes; adds the ranges of those that are cut out.
fn check_attributes(image: &[u8], tag: &Tag<'_>, cut: &mut Vec<(usize, usize)>) -> Result<(), Error> {
    for attribute in &tag.attributes {
        if lists(CUT, &attribute.uri) {
            cut.push((attribute.start, attribute.end));
            continue;
        }
        if *attribute.uri == *XMLNS {
            continue;
        }
        if !permitted(attribute) {
            return refuse_name(Kind::ArtAttribute, attribute.start, attribute.name);
        }
        let value = value_of(image, attribute.value_start, attribute.value_end, true);
        let wrong = match attribute.local {
            b"href" if !leads_nowhere(tag.local, value.trim_ascii()) => Kind::ArtLink,
            b"attributeName" if !animated(value.trim_ascii()) => Kind::ArtAttribute,
            b"style" if !harmless(&value) => Kind::ArtStyle,
            b"href" | b"attributeName" | b"style" => continue,
            _ if !links_within(&value) => Kind::ArtLink,
            local if !is_words(local) && holds(&value, &FUNCTIONS) => Kind::ArtLink,
            _ => continue,
        };
        return refuse_name(wrong, attribute.start, attribute.name);
    }
    Ok(())
}

fn permitted(attribute: &Attribute<'_>) -> bool {
    let local = attribute.local;
    if attribute.uri.is_empty() {
        lists(ATTRIBUTES, local) || local.starts_with(b"aria-") || local.starts_with(b"data-")
    } else if *attribute.uri == *XLINK {
        lists(XLINK_ATTRIBUTES, local)
    } else {
        is_xml(&attribute.uri) && lists(XML_ATTRIBUTES, local)
    }
}

fn animated(name: &[u8]) -> bool {
    lists(ATTRIBUTES, name) && !lists(ANIMATION_ONLY, name)
}

fn leads_nowhere(element: &[u8], link: &[u8]) -> bool {
    link.starts_with(b"#") || (element == b"image" && is_picture(link))
}

fn is_picture(link: &[u8]) -> bool {
    let types: [&[u8]; 2] = [b"data:image/png;base64,", b"data:image/jpeg;base64,"];
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/= ".contains(byte);
    types.iter().any(|kind| {
        link.split_at_checked(kind.len()).is_some_and(|(head, rest)| head.eq_ignore_ascii_case(kind) && rest.iter().all(base64))
    })
}

/// Whether every url(...) in a value names a fragment; a backslash could hide one.
fn links_within(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let white = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0c);
    let mut at = 0;
    while let Some(found) = find(&lower, b"url(", at, lower.len()) {
        at = found + 4;
        at += lower[at..].iter().take_while(white).count();
        at += usize::from(matches!(lower.get(at), Some(b'"' | b'\'')));
        at += lower[at..].iter().take_while(white).count();
        if lower.get(at) != Some(&b'#') {
            return false;
        }
    }
    !(value.contains(&b'\\') && value.contains(&b'('))
}

fn harmless(style: &[u8]) -> bool {
    !holds(style, &LOADING) && links_within(style)
}

fn holds(value: &[u8], words: &[&[u8]]) -> bool {
    let lower = value.to_ascii_lowercase();
    words.iter().any(|word| find(&lower, word, 0, lower.len()).is_some())
}

/// Whether an attribute is words for readers.
fn is_words(local: &[u8]) -> bool {
    local.starts_with(b"aria-") || local.starts_with(b"data-")
}

/// Whether a sorted list holds a name.
fn lists(list: &[&str], name: &[u8]) -> bool {
    list.binary_search_by(|one| one.as_bytes().cmp(name)).is_ok()
}

fn refuse_name<T>(kind: Kind, offset: usize, name: &[u8]) -> Result<T, Error> {
    let shown = String::from_utf8_lossy(name).chars().take(DETAIL_MOST).collect();
    Err(Error { kind, offset: Some(offset), detail: Some(shown) })
}
