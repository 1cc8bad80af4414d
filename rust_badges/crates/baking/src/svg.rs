//! Credentials into and out of SVG files: an element directly after the root's start tag, spliced in by offset (Open Badges 3.0 §5.3.2).

use std::borrow::Cow;

use crate::Extracted;
use crate::bytes::trim;
use crate::error::{Error, Kind, refuse, refuse_whole};
use crate::limits::Limits;
use crate::markup::{Event, Tag, value_of, verbatim};
use crate::payload::{Baked, check_payload, content_of, json_for_cdata, json_in_base64};
use crate::png_text::CURRENT;
use crate::scope::XMLNS;
use crate::xml::Reader;

pub(crate) const SVG: &[u8] = b"http://www.w3.org/2000/svg";
const OPEN_BADGES: &[u8] = b"https://purl.imsglobal.org/ob/v3p0";
const PREFIX: &[u8] = b"openbadges";

/// An element `image[start..end]` that carries a credential: its form, value of `verify` (None: absent) and text.
pub(crate) struct Carrier<'a> {
    pub form: &'static str,
    pub start: usize,
    pub end: usize,
    verify: Option<Cow<'a, [u8]>>,
    body: Vec<u8>,
    length: usize,
}

/// What baking and extraction need to know of a document.
pub(crate) struct Svg<'a> {
    root: Tag<'a>,
    pub elements: usize,
    pub carriers: Vec<Carrier<'a>>,
}

/// Reads a whole SVG document.
pub(crate) fn scan_svg<'a>(image: &'a [u8], limits: &'a Limits) -> Result<Svg<'a>, Error> {
    let mut root = None;
    let mut elements = 0;
    let mut carriers = Vec::new();
    let mut carrying: Option<Carrier<'a>> = None;
    for event in Reader::new(image, limits)? {
        match event? {
            Event::Start(tag) => {
                elements += 1;
                if root.is_none() && (tag.local != b"svg" || !(tag.uri.is_empty() || *tag.uri == *SVG)) {
                    return refuse(Kind::SvgRoot, tag.start);
                }
                if carrying.is_some() {
                    return refuse(Kind::CredentialFormat, tag.start);
                }
                if let Some(form) = form_of(&tag) {
                    let verify = verify_of(image, &tag, limits)?;
                    carrying = Some(Carrier { form, start: tag.start, end: tag.end, verify, body: Vec::new(), length: 0 });
                }
                root.get_or_insert(tag);
            }
            Event::Text(start, end, cdata) => {
                if let Some(carrier) = &mut carrying {
                    carrier.length += end - start;
                    if carrier.length > limits.text_bytes {
                        return refuse(Kind::LimitPayload, carrier.start);
                    }
                    let text = if cdata { verbatim(image, start, end) } else { value_of(image, start, end, false) };
                    carrier.body.extend_from_slice(&text);
                }
            }
            Event::End(end) => {
                if let Some(mut carrier) = carrying.take() {
                    carrier.end = end;
                    carriers.push(carrier);
                }
            }
            Event::Doctype(..) => {}
        }
    }
    match root {
        Some(root) => Ok(Svg { root, elements, carriers }),
        None => refuse(Kind::SvgRoot, image.len()),
    }
}

/// Bakes a credential into an SVG: a compact JWS as attribute `verify`, JSON in CDATA; every other byte unchanged.
///
/// JSON is written with `>` and everything beyond ASCII as `\uXXXX`. A picture that holds a credential is refused, or with `overwrite`
/// loses all it holds.
pub fn bake_svg(image: &[u8], payload: &[u8], overwrite: bool, limits: &Limits) -> Result<Vec<u8>, Error> {
    let svg = scan_svg(image, limits)?;
    let kind = check_payload(payload, limits.text_bytes)?;
    if kind == Baked::Jws && payload.len() > limits.verify_bytes {
        return refuse_whole(Kind::LimitVerify);
    }
    let existing: Vec<&Carrier<'_>> = svg.carriers.iter().filter(|carrier| carrier.form == CURRENT).collect();
    if let Some(first) = existing.first()
        && !overwrite
    {
        return refuse(Kind::CredentialDuplicate, first.start);
    }
    if svg.elements - existing.len() + 1 > limits.elements {
        return refuse_whole(Kind::LimitElements);
    }
    if limits.depth < 2 {
        return refuse_whole(Kind::LimitDepth);
    }
    let root = &svg.root;
    let (prefix, declared) = prefix(image, root);
    if !declared && root.attributes.len() + 1 > limits.attributes {
        return refuse(Kind::LimitAttributes, root.start);
    }
    let element = element(&prefix, payload, kind, limits)?;
    let mut out = Vec::with_capacity(image.len() + element.len() + root.name.len() + 128);
    out.extend_from_slice(&image[..root.name_end()]);
    if !declared {
        out.extend([b" xmlns:", &*prefix, b"=\"", OPEN_BADGES, b"\""].concat());
    }
    if root.closed {
        out.extend([&image[root.name_end()..root.end - 2], b">", &element, b"</", root.name, b">"].concat());
    } else {
        out.extend_from_slice(&image[root.name_end()..root.end]);
        out.extend_from_slice(&element);
    }
    let mut at = root.end;
    for carrier in existing {
        out.extend_from_slice(&image[at..carrier.start]);
        at = carrier.end;
    }
    out.extend_from_slice(&image[at..]);
    if out.len() > limits.svg_bytes {
        return refuse_whole(Kind::LimitFile);
    }
    Ok(out)
}

/// The credential in an SVG, None where there is none.
///
/// The first Open Badges 3.0 element wins; without one, the first of an older form. White space around a payload is left out. `strict`
/// refuses what is otherwise a warning.
pub fn extract_svg(image: &[u8], strict: bool, limits: &Limits) -> Result<Option<Extracted<'static>>, Error> {
    let carriers = scan_svg(image, limits)?.carriers;
    let mut current = carriers.iter().filter(|carrier| carrier.form == CURRENT);
    let (first, second) = (current.next(), current.next());
    let Some(carrier) = first.or(carriers.first()) else {
        return Ok(None);
    };
    let mut warnings = Vec::new();
    if let Some(second) = second {
        if strict {
            return refuse(Kind::CredentialDuplicate, second.start);
        }
        warnings.push(Kind::CredentialDuplicate);
    }
    let verify = trim(carrier.verify.as_deref().unwrap_or_default());
    let body = trim(&carrier.body);
    let is_current = carrier.form == CURRENT;
    if is_current && !body.is_empty() && carrier.verify.is_some() {
        warnings.push(Kind::CredentialAmbiguous);
    }
    let payload = if body.is_empty() { verify } else { body };
    if payload.is_empty() {
        return refuse(Kind::CredentialEmpty, carrier.start);
    }
    let content = content_of(payload);
    let mut found = Extracted { payload: Cow::Owned(payload.to_vec()), form: carrier.form, content, offset: carrier.start, warnings };
    if is_current && content != if body.is_empty() { "jws" } else { "json" } {
        found.warnings.push(Kind::CredentialForm);
        if body.is_empty()
            && let Some(legacy) = json_in_base64(verify)
        {
            (found.form, found.content, found.payload) = ("legacy-badger-mu", "json", Cow::Owned(legacy));
        }
    }
    match found.warnings.first() {
        Some(first) if strict => refuse(*first, carrier.start),
        _ => Ok(Some(found)),
    }
}

fn form_of(tag: &Tag<'_>) -> Option<&'static str> {
    match (&*tag.uri, tag.local) {
        (OPEN_BADGES, b"credential") => Some(CURRENT),
        (b"http://openbadges.org", b"assertion") => Some("openbadges-2"),
        (b"https://purl.imsglobal.org/clr/v2p0", b"credential") => Some("clr"),
        _ => None,
    }
}

fn verify_of<'a>(image: &'a [u8], tag: &Tag<'a>, limits: &Limits) -> Result<Option<Cow<'a, [u8]>>, Error> {
    let Some(verify) = tag.attributes.iter().find(|one| one.uri.is_empty() && one.local == b"verify") else {
        return Ok(None);
    };
    if verify.value_end - verify.value_start > limits.verify_bytes {
        return refuse(Kind::LimitVerify, verify.start);
    }
    Ok(Some(value_of(image, verify.value_start, verify.value_end, true)))
}

fn element(prefix: &[u8], payload: &[u8], kind: Baked, limits: &Limits) -> Result<Vec<u8>, Error> {
    let name = [prefix, b":credential"].concat();
    if kind == Baked::Jws {
        return Ok([b"<", &*name, b" verify=\"", payload, b"\"></", &name, b">"].concat());
    }
    let body = json_for_cdata(payload);
    if body.len() > limits.text_bytes {
        return refuse_whole(Kind::LimitPayload);
    }
    Ok([b"<", &*name, b"><![CDATA[", &body, b"]]></", &name, b">"].concat())
}

/// The prefix for the credential, and whether the root declares it already: the standard's own wherever it is free, since some readers
/// look for nothing else.
fn prefix(image: &[u8], root: &Tag<'_>) -> (Vec<u8>, bool) {
    let declarations = root.attributes.iter().filter(|one| *one.uri == *XMLNS && one.name != b"xmlns");
    let declared: Vec<(&[u8], bool)> =
        declarations.map(|one| (one.local, *value_of(image, one.value_start, one.value_end, true) == *OPEN_BADGES)).collect();
    let standard = declared.iter().find(|(prefix, _)| *prefix == PREFIX);
    match (standard, declared.iter().find(|(_, ours)| *ours)) {
        (None, _) => (PREFIX.to_vec(), false),
        (Some((_, true)), _) => (PREFIX.to_vec(), true),
        (_, Some((prefix, _))) => (prefix.to_vec(), true),
        _ => {
            let mut fresh = (3..).map(|number| [PREFIX, format!("{number}").as_bytes()].concat());
            let free = fresh.find(|name| !declared.iter().any(|(prefix, _)| prefix == name));
            (free.unwrap_or_default(), false)
        }
    }
}
