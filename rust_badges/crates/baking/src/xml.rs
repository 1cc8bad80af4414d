//! Reads XML as byte ranges: strict, namespace-aware (XML 1.0, Namespaces in XML 1.0), bounded, without DTD and without entities.
//!
//! Nothing is built or re-serialised: whoever changes a document does so at the offsets given here. Every rule that is checked has one
//! kind of error and one offset, so that the Python implementation can be held to the same answers.

use crate::bytes::{blank, find, first, starts};
use crate::error::{Error, Kind, refuse, refuse_whole};
use crate::limits::Limits;
use crate::markup::{Event, Tag, reference};
use crate::prolog::{declaration, doctype};
use crate::scope::{Raw, Scope};

/// An iterator over the events of a document; after an error it is at its end.
pub struct Reader<'a> {
    data: &'a [u8],
    limits: &'a Limits,
    at: usize,
    open: Vec<(&'a [u8], usize)>,
    scope: Scope<'a>,
    elements: usize,
    typed: bool,
    closing: bool,
    done: bool,
}

impl<'a> Reader<'a> {
    /// Checks size, encoding and characters of a document and reads up to its declaration.
    pub fn new(data: &'a [u8], limits: &'a Limits) -> Result<Self, Error> {
        if data.len() > limits.svg_bytes {
            return refuse_whole(Kind::LimitFile);
        }
        if let Err(wrong) = std::str::from_utf8(data) {
            return refuse(Kind::SvgEncoding, wrong.valid_up_to());
        }
        if let Some(at) = forbidden(data) {
            return refuse(Kind::SvgCharacter, at);
        }
        Ok(Self {
            data,
            limits,
            at: declaration(data)?,
            open: Vec::new(),
            scope: Scope::new(),
            elements: 0,
            typed: false,
            closing: false,
            done: false,
        })
    }

    fn step(&mut self) -> Result<Option<Event<'a>>, Error> {
        if self.closing {
            self.closing = false;
            self.scope.leave();
            return Ok(Some(Event::End(self.at)));
        }
        let data = self.data;
        while let Some(&byte) = data.get(self.at) {
            let at = self.at;
            if byte != b'<' {
                let end = find(data, b"<", at, data.len()).unwrap_or(data.len());
                self.at = end;
                if !self.open.is_empty() {
                    self.check_text(at, end)?;
                    return Ok(Some(Event::Text(at, end, false)));
                }
                let text = blank(data, at);
                if text < end {
                    return refuse(Kind::SvgText, text);
                }
            } else if starts(data, at, b"<!--") {
                self.at = self.comment(at)?;
            } else if starts(data, at, b"<![CDATA[") {
                if self.open.is_empty() {
                    return refuse(Kind::SvgText, at);
                }
                let Some(end) = find(data, b"]]>", at + 9, data.len()) else {
                    return refuse(Kind::SvgSyntax, at);
                };
                self.at = end + 3;
                return Ok(Some(Event::Text(at + 9, end, true)));
            } else if starts(data, at, b"<!") {
                let end = doctype(data, at)?;
                if self.typed || self.elements > 0 {
                    return refuse(Kind::SvgDoctype, at);
                }
                self.typed = true;
                self.at = end;
                return Ok(Some(Event::Doctype(at, end)));
            } else if starts(data, at, b"<?") {
                return refuse(Kind::SvgInstruction, at);
            } else if starts(data, at, b"</") {
                self.at = self.end(at)?;
                return Ok(Some(Event::End(self.at)));
            } else {
                let tag = self.start(at)?;
                self.at = tag.end;
                if tag.closed {
                    self.closing = true;
                } else {
                    self.open.push((tag.name, at));
                }
                return Ok(Some(Event::Start(tag)));
            }
        }
        if self.elements == 0 {
            return refuse(Kind::SvgRoot, data.len());
        }
        match self.open.last() {
            Some((_, start)) => refuse(Kind::SvgNesting, *start),
            None => Ok(None),
        }
    }

    fn comment(&self, at: usize) -> Result<usize, Error> {
        match find(self.data, b"--", at + 4, self.data.len()) {
            Some(end) if starts(self.data, end, b"-->") => Ok(end + 3),
            _ => refuse(Kind::SvgSyntax, at),
        }
    }

    fn check_text(&self, start: usize, end: usize) -> Result<(), Error> {
        match find(self.data, b"]]>", start, end) {
            Some(closing) => refuse(Kind::SvgText, closing),
            None => self.check_references(start, end),
        }
    }

    fn check_references(&self, start: usize, end: usize) -> Result<(), Error> {
        let mut at = start;
        while let Some(ampersand) = find(self.data, b"&", at, end) {
            match reference(&self.data[ampersand..end]) {
                Some((_, length)) => at = ampersand + length,
                None => return refuse(Kind::SvgEntity, ampersand),
            }
        }
        Ok(())
    }

    fn end(&mut self, at: usize) -> Result<usize, Error> {
        let Some(name) = name_at(self.data, at + 2) else {
            return refuse(Kind::SvgSyntax, at);
        };
        let close = blank(self.data, at + 2 + name.len());
        if !starts(self.data, close, b">") {
            return refuse(Kind::SvgSyntax, at);
        }
        if self.open.pop().is_none_or(|(open, _)| open != name) {
            return refuse(Kind::SvgNesting, at);
        }
        self.scope.leave();
        Ok(close + 1)
    }

    fn start(&mut self, at: usize) -> Result<Tag<'a>, Error> {
        let data = self.data;
        if self.elements > 0 && self.open.is_empty() {
            return refuse(Kind::SvgNesting, at);
        }
        let Some(name) = name_at(data, at + 1) else {
            return refuse(Kind::SvgSyntax, at);
        };
        self.elements += 1;
        if self.elements > self.limits.elements {
            return refuse(Kind::LimitElements, at);
        }
        if self.open.len() >= self.limits.depth {
            return refuse(Kind::LimitDepth, at);
        }
        let mut raw = Vec::new();
        let mut position = at + 1 + name.len();
        let after = loop {
            let after = blank(data, position);
            if starts(data, after, b">") || starts(data, after, b"/>") {
                break after;
            }
            if after == position || after == data.len() {
                return refuse(Kind::SvgSyntax, at);
            }
            let one = self.attribute(after, raw.len() + 1)?;
            position = one.value_end + 1;
            raw.push(one);
        };
        let closed = data[after] == b'/';
        let (uri, local, attributes) = self.scope.enter(data, name, at, &raw)?;
        Ok(Tag { start: at, end: after + 1 + usize::from(closed), name, uri, local, attributes, closed })
    }

    fn attribute(&self, at: usize, count: usize) -> Result<Raw<'a>, Error> {
        let data = self.data;
        let Some(name) = name_at(data, at) else {
            return refuse(Kind::SvgSyntax, at);
        };
        if count > self.limits.attributes {
            return refuse(Kind::LimitAttributes, at);
        }
        let equals = blank(data, at + name.len());
        let quote = blank(data, equals + 1);
        let mark = data.get(quote).filter(|byte| matches!(byte, b'"' | b'\''));
        let (Some(mark), true) = (mark, starts(data, equals, b"=")) else {
            return refuse(Kind::SvgSyntax, at);
        };
        let value_start = quote + 1;
        let Some(value_end) = find(data, &[*mark], value_start, data.len()) else {
            return refuse(Kind::SvgSyntax, at);
        };
        if find(data, b"<", value_start, value_end).is_some() {
            return refuse(Kind::SvgSyntax, at);
        }
        if value_end - value_start > self.limits.attribute_bytes {
            return refuse(Kind::LimitAttribute, at);
        }
        self.check_references(value_start, value_end)?;
        Ok(Raw { name, start: at, value_start, value_end })
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Event<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let event = self.step().transpose();
        self.done = !matches!(event, Some(Ok(_)));
        event
    }
}

/// The name that begins at an offset, None where none does. Beyond ASCII every character counts as one of a name.
pub(crate) fn name_at(data: &[u8], at: usize) -> Option<&[u8]> {
    let rest = data.get(at..)?;
    let begins = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':' | 0x80..);
    let length = rest.iter().take_while(|byte| begins(byte) || matches!(byte, b'-' | b'.' | b'0'..=b'9')).count();
    rest.first().filter(|byte| begins(byte)).map(|_| &rest[..length])
}

/// Offset of the first character that XML does not permit: a control character, U+FFFE or U+FFFF.
fn forbidden(data: &[u8]) -> Option<usize> {
    let control = first(data, |byte| (byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r'));
    let before = control.unwrap_or(data.len());
    let mut at = 0;
    while let Some(last) = find(data, b"\xef\xbf", at, before) {
        if matches!(data.get(last + 2), Some(0xbe | 0xbf)) {
            return Some(last);
        }
        at = last + 2;
    }
    control
}
