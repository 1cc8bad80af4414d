//! Every limit at its value and one above it.

use baking::sample::{chunk, header, png_of};
use baking::{FOREIGN, Kind, Limits, UPLOAD, bake_png, bake_svg, check_svg_art, extract_png, extract_svg, scan_png};

const IEND: &[u8] = b"";

fn png(between: &[Vec<u8>]) -> Vec<u8> {
    let mut chunks = vec![header(1, 1)];
    chunks.extend_from_slice(between);
    chunks.extend([chunk(*b"IDAT", b""), chunk(*b"IEND", IEND)]);
    png_of(&chunks)
}

fn svg(inside: &str) -> Vec<u8> {
    format!("<svg xmlns=\"http://www.w3.org/2000/svg\">{inside}</svg>").into_bytes()
}

fn json(size: usize) -> Vec<u8> {
    format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8)).into_bytes()
}

type Attempt = fn(usize, &Limits) -> Option<Kind>;

fn kind<T>(result: Result<T, baking::Error>) -> Option<Kind> {
    result.err().map(|error| error.kind)
}

/// Name, limits, value, kind of the refusal above it, and something of a given size.
fn cases() -> Vec<(&'static str, Limits, usize, Kind, Attempt)> {
    let credential = "<o:credential xmlns:o=\"https://purl.imsglobal.org/ob/v3p0\"";
    assert!(credential.len() < 100);
    vec![
        ("png_bytes", FOREIGN, FOREIGN.png_bytes, Kind::LimitFile, |size, limits| {
            let padding = size - png(&[chunk(*b"prIv", b"")]).len();
            kind(scan_png(&png(&[chunk(*b"prIv", &vec![0; padding])]), limits))
        }),
        ("png_bytes, baked", UPLOAD, UPLOAD.png_bytes, Kind::LimitFile, |size, limits| {
            let padding = size - png(&[chunk(*b"prIv", b"")]).len() - 36 - 5;
            kind(bake_png(&png(&[chunk(*b"prIv", &vec![0; padding])]), b"a.b.c", None, false, limits))
        }),
        ("width", FOREIGN, FOREIGN.width, Kind::LimitWidth, |size, limits| {
            let chunks = [header(u32::try_from(size).unwrap(), 1), chunk(*b"IDAT", b""), chunk(*b"IEND", IEND)];
            kind(scan_png(&png_of(&chunks), limits))
        }),
        ("height", FOREIGN, FOREIGN.height, Kind::LimitHeight, |size, limits| {
            let chunks = [header(1, u32::try_from(size).unwrap()), chunk(*b"IDAT", b""), chunk(*b"IEND", IEND)];
            kind(scan_png(&png_of(&chunks), limits))
        }),
        ("area", Limits { area: 12, ..FOREIGN }, 12, Kind::LimitArea, |size, limits| {
            let chunks = [header(1, u32::try_from(size).unwrap()), chunk(*b"IDAT", b""), chunk(*b"IEND", IEND)];
            kind(scan_png(&png_of(&chunks), limits))
        }),
        ("chunks", FOREIGN, FOREIGN.chunks, Kind::LimitChunks, |size, limits| {
            kind(scan_png(&png(&vec![chunk(*b"prIv", b""); size - 3]), limits))
        }),
        ("ancillary_chunks", UPLOAD, UPLOAD.ancillary_chunks, Kind::LimitAncillary, |size, limits| {
            kind(scan_png(&png(&vec![chunk(*b"prIv", b""); size]), limits))
        }),
        ("text_bytes", FOREIGN, FOREIGN.text_bytes, Kind::LimitText, |size, limits| {
            kind(scan_png(&png(&[chunk(*b"tEXt", &vec![0; size])]), limits))
        }),
        ("text_bytes, payload", FOREIGN, FOREIGN.text_bytes, Kind::LimitPayload, |size, limits| {
            kind(bake_png(&png(&[]), &json(size), None, false, limits))
        }),
        ("text_bytes, element", Limits { text_bytes: 500, ..FOREIGN }, 500, Kind::LimitPayload, |size, limits| {
            kind(bake_svg(&svg(""), &json(size), false, limits))
        }),
        ("inflated_bytes", FOREIGN, FOREIGN.inflated_bytes, Kind::LimitInflated, |size, limits| {
            let mut content = b"openbadgecredential\0\x01\0\0\0".to_vec();
            content.extend(stored(&json(size)));
            kind(extract_png(&png(&[chunk(*b"iTXt", &content)]), false, limits))
        }),
        ("svg_bytes", FOREIGN, FOREIGN.svg_bytes, Kind::LimitFile, |size, limits| {
            kind(extract_svg(&svg(&" ".repeat(size - svg("").len())), false, limits))
        }),
        ("depth", FOREIGN, FOREIGN.depth, Kind::LimitDepth, |size, limits| {
            kind(extract_svg(&svg(&["<g>".repeat(size - 1), "</g>".repeat(size - 1)].concat()), false, limits))
        }),
        ("elements", UPLOAD, UPLOAD.elements, Kind::LimitElements, |size, limits| {
            kind(check_svg_art(&svg(&"<g/>".repeat(size - 1)), limits))
        }),
        ("attributes", FOREIGN, FOREIGN.attributes, Kind::LimitAttributes, |size, limits| {
            let attributes: Vec<String> = (0..size).map(|number| format!("a{number}=''")).collect();
            kind(extract_svg(&svg(&format!("<g {}/>", attributes.join(" "))), false, limits))
        }),
        ("attribute_bytes", FOREIGN, FOREIGN.attribute_bytes, Kind::LimitAttribute, |size, limits| {
            kind(extract_svg(&svg(&format!("<g a='{}'/>", " ".repeat(size))), false, limits))
        }),
        ("verify_bytes", FOREIGN, FOREIGN.verify_bytes, Kind::LimitVerify, |size, limits| {
            kind(bake_svg(&svg(""), format!("a.b.{}", "c".repeat(size - 4)).as_bytes(), false, limits))
        }),
    ]
}

/// A zlib stream of stored blocks.
fn stored(content: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks: Vec<&[u8]> = content.chunks(0xffff).collect();
    for (number, block) in blocks.iter().enumerate() {
        let length = u16::try_from(block.len()).unwrap();
        out.push(u8::from(number + 1 == blocks.len()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in content {
        low = (low + u32::from(*byte)) % 65521;
        high = (high + low) % 65521;
    }
    out.extend((high << 16 | low).to_be_bytes());
    out
}

/// What is as large as a limit permits is taken, and refused for its own reason when it is one larger.
#[test]
fn limits_hold() {
    for (name, limits, most, expected, attempt) in cases() {
        assert_eq!(attempt(most, &limits), None, "{name} at {most}");
        assert_eq!(attempt(most + 1, &limits), Some(expected), "{name} above {most}");
    }
}
