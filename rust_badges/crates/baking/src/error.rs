//! Every way a picture, a plan or a payload can be refused, as one error over one table of kinds.

use std::fmt;

macro_rules! kinds {
    ($($variant:ident $name:literal $sentence:literal)*) => {
        /// What is wrong; [`Kind::name`] is the stable word for it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $sentence] $variant,)*
        }

        impl Kind {
            /// All kinds, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable word for the kind, such as "png.crc".
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The sentence for a person.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence),* }
            }
        }
    };
}

kinds! {
    ImageUnknown "image.unknown" "The bytes begin neither as a PNG nor as an SVG."
    PngSignature "png.signature" "The bytes do not begin with the PNG signature."
    PngTruncated "png.truncated" "The file ends within a chunk."
    PngLength "png.length" "A chunk gives a length above 2^31 - 1."
    PngType "png.type" "A chunk's type is not four ASCII letters."
    PngIhdr "png.ihdr" "IHDR must come first, once, with length 13 and with values that the standard knows."
    PngDimensions "png.dimensions" "Width and height must be positive."
    PngCritical "png.critical" "An unknown critical chunk makes the picture unreadable."
    PngPalette "png.palette" "PLTE must come once, before IDAT, with 1 to 256 colours, where the colour type asks for it or permits it."
    PngIdat "png.idat" "The picture needs IDAT chunks, one directly after the other."
    PngIend "png.iend" "The file must end with an empty IEND chunk."
    PngCrc "png.crc" "A chunk's checksum does not fit its content."
    PngInflate "png.inflate" "Compressed text cannot be inflated."
    SvgEncoding "svg.encoding" "The file must be UTF-8."
    SvgCharacter "svg.character" "The file holds a character that XML does not permit."
    SvgSyntax "svg.syntax" "A tag, attribute, comment or CDATA section is not well-formed."
    SvgName "svg.name" "A name must have at most one colon, with a name on either side."
    SvgPrefix "svg.prefix" "A namespace prefix is not declared, or declared in a way that is not permitted."
    SvgAttribute "svg.attribute" "An attribute occurs twice in one element."
    SvgEntity "svg.entity" "Only the five predefined entities and references to characters are permitted."
    SvgDoctype "svg.doctype" "A document type may stand once before the root, without internal subset."
    SvgInstruction "svg.instruction" "Processing instructions are not permitted."
    SvgText "svg.text" "Text stands where none may stand, or holds ]]>."
    SvgNesting "svg.nesting" "Start and end tags do not match, or something follows the root."
    SvgRoot "svg.root" "The root element must be svg."
    ArtElement "art.element" "The element is not permitted in uploaded art"
    ArtAttribute "art.attribute" "The attribute is not permitted in uploaded art"
    ArtLink "art.link" "Links in uploaded art must lead to its own fragments, pictures may also be data:image/png or data:image/jpeg"
    ArtStyle "art.style" "Styles in uploaded art must not load anything, and not hide anything by @ or backslash"
    CredentialDuplicate "credential.duplicate" "The picture already holds a credential."
    CredentialAmbiguous "credential.ambiguous" "The credential has both a verify attribute and a body."
    CredentialCompressed "credential.compressed" "The credential is compressed, which Open Badges 3.0 forbids."
    CredentialLanguage "credential.language" "The credential has a language tag, a translated keyword or a compression method: Open Badges 3.0 forbids it."
    CredentialForm "credential.form" "The credential is neither JSON nor a compact JWS in the place that Open Badges 3.0 has for it."
    CredentialFormat "credential.format" "The chunk or element that holds the credential is malformed."
    CredentialUtf8 "credential.utf8" "The credential is not UTF-8."
    CredentialEmpty "credential.empty" "The chunk or element for the credential is empty."
    PayloadForm "payload.form" "What is baked must be a JSON object or a compact JWS."
    PayloadUtf8 "payload.utf8" "What is baked must be UTF-8."
    PayloadControl "payload.control" "What is baked must not hold control characters other than white space."
    PlanFormat "plan.format" "The bytes are not a stored plan."
    PlanMismatch "plan.mismatch" "The plan was made for another picture."
    LimitFile "limit.file" "The file is larger than permitted."
    LimitWidth "limit.width" "The picture is wider than permitted."
    LimitHeight "limit.height" "The picture is higher than permitted."
    LimitArea "limit.area" "The picture has more pixels than permitted."
    LimitChunks "limit.chunks" "The file has more chunks than permitted."
    LimitAncillary "limit.ancillary" "The file has more ancillary chunks than permitted."
    LimitText "limit.text" "A text chunk is longer than permitted."
    LimitInflated "limit.inflated" "Compressed text inflates to more than permitted."
    LimitPayload "limit.payload" "The credential is longer than permitted."
    LimitDepth "limit.depth" "Elements are nested deeper than permitted."
    LimitElements "limit.elements" "The file has more elements than permitted."
    LimitAttributes "limit.attributes" "An element has more attributes than permitted."
    LimitAttribute "limit.attribute" "An attribute's value is longer than permitted."
    LimitVerify "limit.verify" "The verify attribute is longer than permitted."
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub kind: Kind,
    /// The byte in the input where the trouble begins; None where it is the whole.
    pub offset: Option<usize>,
    /// The name of what is not permitted, where that helps.
    pub detail: Option<String>,
}

impl Error {
    /// The sentence of the kind, with the detail where there is one.
    #[must_use]
    pub fn message(&self) -> String {
        match &self.detail {
            None => self.kind.sentence().to_owned(),
            Some(detail) => format!("{}: {detail}", self.kind.sentence()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            None => write!(f, "{} ({})", self.message(), self.kind.name()),
            Some(offset) => write!(f, "{} ({} at byte {offset})", self.message(), self.kind.name()),
        }
    }
}

impl std::error::Error for Error {}

/// The error of a kind at an offset, as a failed result.
pub(crate) fn refuse<T>(kind: Kind, offset: usize) -> Result<T, Error> {
    Err(Error { kind, offset: Some(offset), detail: None })
}

/// The error of a kind that concerns the whole input, as a failed result.
pub(crate) fn refuse_whole<T>(kind: Kind) -> Result<T, Error> {
    Err(Error { kind, offset: None, detail: None })
}
