//! Properties over generated pictures.

use std::mem::MaybeUninit;

use baking::sample::{chunk, header, png_of};
use baking::{
    ANIMATION_ONLY, ATTRIBUTES, CUT, ELEMENTS, Error, Event, FOREIGN, Kind, Limits, PngPlan, Reader, UPLOAD, XLINK_ATTRIBUTES,
    XML_ATTRIBUTES, bake_png, bake_svg, check_svg_art, extract_png, extract_svg, inspect, scan_png, strip_png,
};
use proptest::collection::vec;
use proptest::prelude::*;
use quick_xml::events::Event as Oracle;
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

const JWS: &[u8] = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln";

/// A chunk as it goes into a PNG: a kind that may stand anywhere, and any content.
fn ancillary() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec![*b"gAMA", *b"tEXt", *b"zTXt", *b"iTXt", *b"eXIf", *b"fdAT", *b"prIv"]);
    (kinds, vec(any::<u8>(), 0..40)).prop_map(|(kind, content)| chunk(kind, &content))
}

fn png() -> impl Strategy<Value = Vec<u8>> {
    (1..=4096_u32, 1..=4096_u32, vec(ancillary(), 0..5), vec(any::<u8>(), 0..200), vec(ancillary(), 0..5), vec(any::<u8>(), 0..9)).prop_map(
        |(width, height, before, pixels, after, trailing)| {
            let mut chunks = vec![header(width, height)];
            chunks.extend(before);
            chunks.push(chunk(*b"IDAT", &pixels));
            chunks.extend(after);
            chunks.push(chunk(*b"IEND", b""));
            [png_of(&chunks), trailing].concat()
        },
    )
}

fn json() -> impl Strategy<Value = Vec<u8>> {
    any::<String>().prop_map(|text| {
        let kept: String = text.chars().filter(|one| !one.is_control() && !matches!(one, '"' | '\\')).collect();
        format!("{{\"name\":\"{kept}\"}}").into_bytes()
    })
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "<g>",
        "</g>",
        "<g/>",
        "<g a='1'/>",
        "<h:g xmlns:h='urn:h' h:a=\"&lt;\"/>",
        "<g xmlns='urn:g'>",
        "text",
        "&amp;&#65;",
        "<!-- - -->",
        "<![CDATA[<g>]]>",
        " \n",
        "</svg>",
        "<",
        "&",
        "]]>",
        "<o:credential>{}</o:credential>",
        "<a:b/>",
        "ü",
        "\u{fffe}",
        "<!DOCTYPE svg>",
        "<?x?>",
    ])
}

fn svg() -> impl Strategy<Value = String> {
    vec(piece(), 0..12).prop_map(|pieces| {
        let inside = pieces.concat();
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:o=\"https://purl.imsglobal.org/ob/v3p0\">{inside}</svg>")
    })
}

/// Content that is well-formed: elements in namespaces around texts, comments and CDATA.
fn content() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "text",
        "&amp;&#65;",
        "<!-- - -->",
        "<![CDATA[<g>]]>",
        " \n",
        "ü",
        "<g a='>'/>",
        "<x:y xmlns:x='urn:x'/>",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(5, 60, 6, |inner| {
        let around = prop::sample::select(vec![
            ("<g>", "</g>"),
            ("<g xmlns='urn:g'>", "</g >"),
            ("<h:g xmlns:h='urn:h' h:a=\"&lt;\"\n>", "</h:g>"),
            ("<svg:g xmlns:svg='http://www.w3.org/2000/svg'>", "</svg:g>"),
        ]);
        (around, vec(inner, 0..6)).prop_map(|((open, close), inside)| format!("{open}{}{close}", inside.concat()))
    })
}

/// What every function does with bytes; none may panic, and whatever is baked must be found again.
fn exercise(image: &[u8], payload: &[u8]) {
    for limits in [&FOREIGN, &UPLOAD] {
        let _ = inspect(image, limits);
        let _ = strip_png(image, limits);
        let _ = check_svg_art(image, limits);
        for strict in [false, true] {
            let _ = extract_png(image, strict, limits);
            let _ = extract_svg(image, strict, limits);
        }
        if let Ok(baked) = bake_png(image, payload, None, true, limits) {
            let baked = baked.to_vec();
            let found = extract_png(&baked, true, limits).unwrap().unwrap();
            assert_eq!((&*found.payload, found.offset), (payload, 33));
            assert_eq!(scan_png(&baked, limits).unwrap().existing().len(), 1);
        }
        if let Ok(baked) = bake_svg(image, payload, true, limits) {
            assert!(extract_svg(&baked, true, limits).unwrap().is_some());
            assert_eq!(bake_svg(&baked, payload, true, limits).unwrap(), baked);
        }
    }
}

/// Namespace and local name of elements.
type Names = Vec<(Vec<u8>, Vec<u8>)>;

/// Names with namespaces of all elements as quick-xml sees them, None where it refuses the document.
fn elements_by_oracle(document: &[u8]) -> Option<Names> {
    let mut reader = NsReader::from_reader(document);
    let mut found = Vec::new();
    loop {
        match reader.read_resolved_event().ok()? {
            (_, Oracle::Eof) => return Some(found),
            (namespace, Oracle::Start(tag) | Oracle::Empty(tag)) => {
                let uri = match namespace {
                    ResolveResult::Bound(uri) => uri.0.as_bytes().to_vec(),
                    ResolveResult::Unbound => Vec::new(),
                    ResolveResult::Unknown(_) => return None,
                };
                found.push((uri, tag.local_name().as_ref().as_bytes().to_vec()));
            }
            _ => {}
        }
    }
}

fn elements(document: &[u8]) -> Result<Names, Error> {
    let mut found = Vec::new();
    for event in Reader::new(document, &FOREIGN)? {
        if let Event::Start(tag) = event? {
            found.push((tag.uri.to_vec(), tag.local.to_vec()));
        }
    }
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// One chunk more at byte 33, and without it the original; a plan gives the same, also after storage.
    #[test]
    fn baking_changes_nothing_else(image in png(), payload in prop_oneof![json(), Just(JWS.to_vec())]) {
        let baked = bake_png(&image, &payload, None, false, &FOREIGN).unwrap();
        let bytes = baked.to_vec();
        prop_assert_eq!(baked.length(), bytes.len());
        prop_assert_eq!(baked.write_to(&mut vec![MaybeUninit::uninit(); bytes.len()]), bytes.len());
        prop_assert_eq!([&bytes[..33], &bytes[33 + 36 + payload.len()..]].concat(), image.clone());
        let plan = PngPlan::from_bytes(&scan_png(&image, &FOREIGN).unwrap().to_bytes()).unwrap();
        prop_assert_eq!(&bake_png(&image, &payload, Some(&plan), false, &FOREIGN).unwrap().to_vec(), &bytes);
        let found = extract_png(&bytes, true, &FOREIGN).unwrap().unwrap();
        prop_assert_eq!(&*found.payload, &payload[..]);
        prop_assert_eq!(bake_png(&bytes, &payload, None, false, &FOREIGN).unwrap_err().kind, Kind::CredentialDuplicate);
        prop_assert_eq!(bake_png(&bytes, &payload, None, true, &FOREIGN).unwrap().to_vec(), bytes);
    }

    /// Any single changed byte within the chunks is noticed by a full scan.
    #[test]
    fn damage_is_noticed(image in png(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let end = image.len() - inspect_trailing(&image);
        let at = at.index(end);
        let mut damaged = image.clone();
        damaged[at] ^= flip;
        prop_assert!(scan_png(&damaged, &FOREIGN).is_err());
    }

    /// Anything at all: no panic, and what is baked is found.
    #[test]
    fn anything_is_answered(image in vec(any::<u8>(), 0..300), payload in vec(any::<u8>(), 0..40)) {
        exercise(&image, &payload);
    }

    /// PNGs cut, with a byte changed, and with chunks of anything.
    #[test]
    fn damaged_pngs_are_answered(image in png(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        exercise(&image[..cut.index(image.len())], JWS);
        let mut damaged = image.clone();
        damaged[at.index(image.len())] = byte;
        exercise(&damaged, JWS);
        exercise(&image, JWS);
    }

    /// Documents of any pieces; where this reader accepts one, quick-xml sees the same elements in the same namespaces.
    #[test]
    fn svgs_are_answered(document in svg()) {
        exercise(document.as_bytes(), JWS);
        exercise(document.as_bytes(), b"{\"a\":\"]]> \"}");
        if let Ok(ours) = elements(document.as_bytes()) {
            prop_assert_eq!(Some(ours), elements_by_oracle(document.as_bytes()));
        }
    }

    /// Well-formed documents are accepted, and read as quick-xml reads them, before and after baking.
    #[test]
    fn well_formed_svgs_are_read(inside in content()) {
        let document = format!("<svg xmlns=\"http://www.w3.org/2000/svg\">{inside}</svg>").into_bytes();
        let baked = bake_svg(&document, JWS, false, &FOREIGN).unwrap();
        for document in [document, baked] {
            prop_assert_eq!(Some(elements(&document).unwrap()), elements_by_oracle(&document));
        }
    }

    /// A plan from anywhere either is none, or copies within bounds.
    #[test]
    fn any_plan_is_safe(image in png(), ranges in vec((30..400_u32, 30..400_u32), 0..4), chunks in any::<u32>()) {
        let size = u32::try_from(image.len()).unwrap();
        let count = u32::try_from(ranges.len()).unwrap();
        let mut stored = b"SBP1".to_vec();
        for field in [size, u32::from_be_bytes(image[29..33].try_into().unwrap()), chunks, count] {
            stored.extend(field.to_be_bytes());
        }
        for (start, end) in &ranges {
            stored.extend(start.to_be_bytes());
            stored.extend(end.to_be_bytes());
        }
        if let Ok(plan) = PngPlan::from_bytes(&stored)
            && let Ok(baked) = bake_png(&image, JWS, Some(&plan), true, &FOREIGN)
        {
            prop_assert_eq!(baked.to_vec().len(), baked.length());
        }
    }
}

fn inspect_trailing(image: &[u8]) -> usize {
    match inspect(image, &FOREIGN) {
        Ok(baking::Inspection::Png { trailing, .. }) => trailing,
        other => panic!("not a PNG: {other:?}"),
    }
}

/// Every limit has a ceiling, and configuration may go down to 1.
#[test]
fn limits_have_ceilings() {
    assert_eq!(FOREIGN.exceeded(), None);
    assert_eq!(UPLOAD.exceeded(), None);
    assert_eq!(Limits { depth: 129, ..FOREIGN }.exceeded(), Some(("depth", 128)));
    assert_eq!(Limits { width: 0, ..FOREIGN }.exceeded(), Some(("width", 4096)));
    assert_eq!(Limits { width: 1, ..FOREIGN }.exceeded(), None);
}

/// The names of the kinds are unique and have the form group.name.
#[test]
fn kinds_have_names() {
    let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert!(names.iter().all(|name| name.split('.').count() == 2));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Kind::ALL.len());
}

/// The allow-lists are searched by halves, so they are sorted.
#[test]
fn lists_are_sorted() {
    for list in [ELEMENTS, ATTRIBUTES, XLINK_ATTRIBUTES, XML_ATTRIBUTES, ANIMATION_ONLY, CUT] {
        assert!(list.is_sorted_by(|one, next| one < next));
    }
}
