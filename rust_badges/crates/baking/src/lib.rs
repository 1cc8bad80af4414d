//! Open Badges credentials in PNG and SVG files, as pure functions over bytes.
//!
//! Nothing is decoded, drawn, fetched or stored: a picture is validated, and a chunk or an element is spliced in or read out.
//! What a picture can make us do is bounded by [`Limits`]; every refusal is an [`Error`] with kind and byte offset.
//!
//! ```
//! use baking::{bake_png, extract_png, FOREIGN};
//!
//! let png = baking::sample::png(2, 2);
//! let baked = bake_png(&png, b"{\"id\":\"urn:uuid:1\"}", None, false, &FOREIGN)?.to_vec();
//! let found = extract_png(&baked, false, &FOREIGN)?.expect("what was baked is there");
//! assert_eq!(&*found.payload, b"{\"id\":\"urn:uuid:1\"}");
//! # Ok::<(), baking::Error>(())
//! ```

#![forbid(unsafe_code)]

mod allowed;
mod art;
mod bytes;
mod chunks;
mod error;
mod inspection;
mod limits;
mod markup;
mod payload;
mod plan;
mod png;
mod png_text;
mod prolog;
pub mod sample;
mod scope;
mod svg;
mod xml;

pub use allowed::{ANIMATION_ONLY, ATTRIBUTES, CUT, ELEMENTS, XLINK_ATTRIBUTES, XML_ATTRIBUTES};
pub use art::check_svg_art;
pub use error::{Error, Kind};
pub use inspection::{Chunk, Found, Inspection, inspect};
pub use limits::{FOREIGN, Limits, UPLOAD};
pub use markup::{Attribute, Event, Tag};
pub use plan::PngPlan;
pub use png::{BakedPng, bake_png, scan_png, strip_png};
pub use png_text::extract_png;
pub use svg::{bake_svg, extract_svg};
pub use xml::Reader;

use std::borrow::Cow;

/// A credential as found: its bytes, form ("openbadges-3", "openbadges-2", "openbadges-1", "clr", "legacy-badger-mu"), content ("json",
/// "jws", "url", "other"), where its chunk or element begins, and the kinds of error that strict reading raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted<'a> {
    /// The credential.
    pub payload: Cow<'a, [u8]>,
    /// In which form it was baked.
    pub form: &'static str,
    /// What it is by its first bytes.
    pub content: &'static str,
    /// Offset of the chunk or element.
    pub offset: usize,
    /// What strict reading would have refused.
    pub warnings: Vec<Kind>,
}
