//! Searching in bytes.

/// The white space of XML and JSON.
pub(crate) const fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The slice without white space around it.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_white(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_white(*last)
    {
        bytes = rest;
    }
    bytes
}

/// How many bytes are looked at before it is asked whether one of them is what was looked for: a loop that vectorises.
pub(crate) const BLOCK: usize = 64;

/// Offset of the first byte that `wanted` is true for.
pub(crate) fn first(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let hit = blocks.iter().position(|block| block.iter().fold(false, |any, byte| any | wanted(*byte)));
    let from = hit.unwrap_or(blocks.len()) * BLOCK;
    let last = hit.map_or(rest, |number| &blocks[number]);
    last.iter().position(|byte| wanted(*byte)).map(|at| from + at)
}

/// Offset of the first `needle` that lies within `data[from..to]`.
pub(crate) fn find(data: &[u8], needle: &[u8], from: usize, to: usize) -> Option<usize> {
    let begin = *needle.first()?;
    let mut at = from;
    while at + needle.len() <= to {
        let last = to - needle.len() + 1;
        at += first(&data[at..last], |byte| byte == begin)?;
        if data[at..].starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Offset of the first byte from `at` that is no white space, at most the length.
pub(crate) fn blank(data: &[u8], at: usize) -> usize {
    let from = at.min(data.len());
    from + data[from..].iter().take_while(|byte| is_white(**byte)).count()
}

/// Whether `data[at..]` begins with `prefix`; false beyond the end.
pub(crate) fn starts(data: &[u8], at: usize, prefix: &[u8]) -> bool {
    data.get(at..).is_some_and(|rest| rest.starts_with(prefix))
}

/// The big-endian number in the four bytes at an offset, which must be there.
pub(crate) fn number(data: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&data[at..at + 4]);
    u32::from_be_bytes(four)
}
