//! Bounds on everything a picture can make us do.

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident: $ceiling:expr, $upload:expr;)*) => {
        /// Sizes are bytes, dimensions are pixels.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct Limits {
            $($(#[doc = $doc])* pub $name: usize,)*
        }

        /// For files that come from elsewhere, and for what is baked: the ceilings.
        pub const FOREIGN: Limits = Limits { $($name: $ceiling,)* };

        /// For art that a tenant uploads.
        pub const UPLOAD: Limits = Limits { $($name: $upload,)* };

        impl Limits {
            /// Returns name and ceiling of the first field that is below 1 or above its ceiling.
            #[must_use]
            pub fn exceeded(&self) -> Option<(&'static str, usize)> {
                $(if !(1..=FOREIGN.$name).contains(&self.$name) { return Some((stringify!($name), FOREIGN.$name)); })*
                None
            }
        }
    };
}

limits! {
    /// Size of a PNG file, read or written.
    png_bytes: 4 * MIB, MIB;
    /// Width from IHDR.
    width: 4096, 4096;
    /// Height from IHDR.
    height: 4096, 4096;
    /// Width times height.
    area: 4096 * 4096, 4096 * 4096;
    /// All chunks.
    chunks: 10_000, 10_000;
    /// The ancillary chunks beside the credential.
    ancillary_chunks: 10_000, 64;
    /// Content of a text chunk, and a credential: chunk, body of an element or argument.
    text_bytes: MIB, 256 * KIB;
    /// What a compressed text chunk may inflate to.
    inflated_bytes: 256 * KIB, 256 * KIB;
    /// Size of an SVG file, read or written.
    svg_bytes: MIB, 256 * KIB;
    /// Nesting of elements.
    depth: 128, 64;
    /// Number of elements.
    elements: 50_000, 5_000;
    /// Attributes of one element, namespace declarations included.
    attributes: 64, 64;
    /// An attribute's value as written.
    attribute_bytes: 256 * KIB, 256 * KIB;
    /// The value of `verify` as written.
    verify_bytes: 64 * KIB, 64 * KIB;
}
