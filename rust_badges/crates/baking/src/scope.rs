//! Namespaces in scope (Namespaces in XML 1.0): a name as written → URI and local name.

use std::collections::HashMap;
use std::rc::Rc;

use crate::error::{Error, Kind, refuse};
use crate::markup::{Attribute, value_of};

const XML: &[u8] = b"http://www.w3.org/XML/1998/namespace";
pub(crate) const XMLNS: &[u8] = b"http://www.w3.org/2000/xmlns/";

/// Whether a namespace is that of `xml:space` and `xml:lang`.
pub(crate) fn is_xml(uri: &[u8]) -> bool {
    uri == XML
}

/// An attribute before its name is resolved: name, where it begins, range of its value.
pub(crate) struct Raw<'a> {
    pub name: &'a [u8],
    pub start: usize,
    pub value_start: usize,
    pub value_end: usize,
}

type Resolved<'a> = (Rc<[u8]>, &'a [u8], Vec<Attribute<'a>>);

/// The declarations of the open elements: for each prefix a stack of URIs, so that an element costs what it declares.
pub(crate) struct Scope<'a> {
    bound: HashMap<&'a [u8], Vec<Rc<[u8]>>>,
    declared: Vec<Vec<&'a [u8]>>,
    none: Rc<[u8]>,
    xmlns: Rc<[u8]>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new() -> Self {
        let none: Rc<[u8]> = Rc::from(&b""[..]);
        let bound = HashMap::from([(&b""[..], vec![none.clone()]), (&b"xml"[..], vec![Rc::from(XML)])]);
        Self { bound, declared: Vec::new(), none, xmlns: Rc::from(XMLNS) }
    }

    /// Opens an element: binds what it declares, then resolves its name and those of its attributes.
    pub(crate) fn enter(&mut self, data: &'a [u8], name: &'a [u8], at: usize, raw: &[Raw<'a>]) -> Result<Resolved<'a>, Error> {
        let mut declared = Vec::new();
        for one in raw {
            let (prefix, local) = split(one.name, one.start)?;
            if let Some(prefix) = declares(prefix, local) {
                self.declare(data, prefix, one)?;
                declared.push(prefix);
            }
        }
        self.declared.push(declared);
        let (prefix, local) = split(name, at)?;
        let uri = self.resolve(prefix, at)?;
        let mut attributes: Vec<Attribute<'a>> = Vec::with_capacity(raw.len());
        for one in raw {
            let (own_prefix, own_local) = split(one.name, one.start)?;
            let own_uri = if declares(own_prefix, own_local).is_some() {
                self.xmlns.clone()
            } else if own_prefix.is_empty() {
                self.none.clone()
            } else {
                self.resolve(own_prefix, one.start)?
            };
            if attributes.iter().any(|before| before.local == own_local && before.uri == own_uri) {
                return refuse(Kind::SvgAttribute, one.start);
            }
            attributes.push(Attribute {
                name: one.name,
                uri: own_uri,
                local: own_local,
                start: one.start,
                end: one.value_end + 1,
                value_start: one.value_start,
                value_end: one.value_end,
            });
        }
        Ok((uri, local, attributes))
    }

    /// Closes the element that was opened last.
    pub(crate) fn leave(&mut self) {
        for prefix in self.declared.pop().unwrap_or_default() {
            if let Some(stack) = self.bound.get_mut(prefix) {
                stack.pop();
            }
        }
    }

    fn declare(&mut self, data: &'a [u8], prefix: &'a [u8], raw: &Raw<'a>) -> Result<(), Error> {
        let uri = value_of(data, raw.value_start, raw.value_end, true);
        let reserved = prefix == b"xmlns" || *uri == *XMLNS || (prefix == b"xml") != (*uri == *XML);
        if reserved || (!prefix.is_empty() && uri.is_empty()) {
            return refuse(Kind::SvgPrefix, raw.start);
        }
        self.bound.entry(prefix).or_default().push(Rc::from(&*uri));
        Ok(())
    }

    fn resolve(&self, prefix: &[u8], at: usize) -> Result<Rc<[u8]>, Error> {
        match self.bound.get(prefix).and_then(|stack| stack.last()) {
            Some(uri) => Ok(uri.clone()),
            None => refuse(Kind::SvgPrefix, at),
        }
    }
}

/// The prefix that an attribute declares (empty for the default namespace), None where it is no declaration.
fn declares<'a>(prefix: &[u8], local: &'a [u8]) -> Option<&'a [u8]> {
    match (prefix, local) {
        (b"xmlns", _) => Some(local),
        (b"", b"xmlns") => Some(&local[..0]),
        _ => None,
    }
}

/// Splits a name as written into prefix (empty for none) and local name.
fn split(name: &[u8], at: usize) -> Result<(&[u8], &[u8]), Error> {
    let Some(colon) = name.iter().position(|byte| *byte == b':') else {
        return Ok((&name[..0], name));
    };
    let (prefix, local) = (&name[..colon], &name[colon + 1..]);
    let begins = local.first().is_some_and(|first| !matches!(first, b'-' | b'.' | b'0'..=b'9'));
    if prefix.is_empty() || !begins || local.contains(&b':') {
        return refuse(Kind::SvgName, at);
    }
    Ok((prefix, local))
}
