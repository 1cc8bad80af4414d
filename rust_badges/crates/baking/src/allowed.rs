//! The elements and attributes of SVG 1.1 that draw, and no others, as tables; the Python tables are compared with these.

/// Elements of the SVG namespace.
#[rustfmt::skip]
pub const ELEMENTS: &[&str] = &[
    "a", "animate", "animateMotion", "animateTransform", "circle", "clipPath", "defs", "desc", "ellipse", "feBlend", "feColorMatrix",
    "feComponentTransfer", "feComposite", "feConvolveMatrix", "feDiffuseLighting", "feDisplacementMap", "feDistantLight",
    "feDropShadow", "feFlood", "feFuncA", "feFuncB", "feFuncG", "feFuncR", "feGaussianBlur", "feMerge", "feMergeNode", "feMorphology",
    "feOffset", "fePointLight", "feSpecularLighting", "feSpotLight", "feTile", "feTurbulence", "filter", "g", "image", "line",
    "linearGradient", "marker", "mask", "metadata", "mpath", "path", "pattern", "polygon", "polyline", "radialGradient", "rect",
    "set", "stop", "style", "svg", "switch", "symbol", "text", "textPath", "title", "tspan", "use", "view"
];

/// Attributes without namespace.
#[rustfmt::skip]
pub const ATTRIBUTES: &[&str] = &[
    "accumulate", "additive", "alignment-baseline", "amplitude", "attributeName", "attributeType", "azimuth", "baseFrequency",
    "baseProfile", "baseline-shift", "begin", "bias", "by", "calcMode", "class", "clip", "clip-path", "clip-rule", "clipPathUnits",
    "color", "color-interpolation", "color-interpolation-filters", "color-rendering", "contentStyleType", "cursor", "cx", "cy", "d",
    "diffuseConstant", "direction", "display", "divisor", "dominant-baseline", "dur", "dx", "dy", "edgeMode", "elevation",
    "enable-background", "end", "exponent", "fill", "fill-opacity", "fill-rule", "filter", "filterRes", "filterUnits", "flood-color",
    "flood-opacity", "focusable", "font-family", "font-size", "font-size-adjust", "font-stretch", "font-style", "font-variant",
    "font-weight", "fr", "from", "fx", "fy", "glyph-orientation-horizontal", "glyph-orientation-vertical", "gradientTransform",
    "gradientUnits", "height", "href", "id", "image-rendering", "in", "in2", "intercept", "isolation", "k1", "k2", "k3", "k4",
    "kernelMatrix", "kernelUnitLength", "kerning", "keyPoints", "keySplines", "keyTimes", "lang", "lengthAdjust", "letter-spacing",
    "lighting-color", "limitingConeAngle", "marker-end", "marker-mid", "marker-start", "markerHeight", "markerUnits", "markerWidth",
    "mask", "mask-type", "maskContentUnits", "maskUnits", "max", "media", "method", "min", "mix-blend-mode", "mode", "numOctaves",
    "offset", "opacity", "operator", "order", "orient", "overflow", "overline-position", "overline-thickness", "paint-order", "path",
    "pathLength", "patternContentUnits", "patternTransform", "patternUnits", "pointer-events", "points", "pointsAtX", "pointsAtY",
    "pointsAtZ", "preserveAlpha", "preserveAspectRatio", "primitiveUnits", "r", "radius", "refX", "refY", "repeatCount", "repeatDur",
    "requiredFeatures", "restart", "result", "role", "rotate", "rx", "ry", "scale", "seed", "shape-rendering", "slope", "spacing",
    "specularConstant", "specularExponent", "spreadMethod", "startOffset", "stdDeviation", "stitchTiles", "stop-color",
    "stop-opacity", "strikethrough-position", "strikethrough-thickness", "stroke", "stroke-dasharray", "stroke-dashoffset",
    "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width", "style", "surfaceScale",
    "systemLanguage", "tabindex", "tableValues", "target", "targetX", "targetY", "text-anchor", "text-decoration", "text-rendering",
    "textLength", "title", "to", "transform", "transform-box", "transform-origin", "type", "underline-position",
    "underline-thickness", "unicode-bidi", "values", "vector-effect", "version", "viewBox", "viewTarget", "visibility", "width",
    "word-spacing", "writing-mode", "x", "x1", "x2", "xChannelSelector", "y", "y1", "y2", "yChannelSelector", "z", "zoomAndPan"
];

/// Attributes of the `XLink` namespace.
#[rustfmt::skip]
pub const XLINK_ATTRIBUTES: &[&str] = &[
    "actuate", "arcrole", "href", "role", "show", "title", "type"
];

/// Attributes of the XML namespace.
#[rustfmt::skip]
pub const XML_ATTRIBUTES: &[&str] = &[
    "lang", "space"
];

/// Attributes that no animation may change.
#[rustfmt::skip]
pub const ANIMATION_ONLY: &[&str] = &[
    "attributeName", "attributeType", "begin", "by", "class", "end", "from", "href", "id", "style", "target", "to", "type", "values"
];

/// Namespaces of drawing programs and of metadata: inert in a viewer, and cut out.
#[rustfmt::skip]
pub const CUT: &[&str] = &[
    "http://creativecommons.org/ns#", "http://ns.adobe.com/AdobeIllustrator/10.0/",
    "http://ns.adobe.com/AdobeSVGViewerExtensions/3.0/", "http://ns.adobe.com/Extensibility/1.0/", "http://ns.adobe.com/Graphs/1.0/",
    "http://ns.adobe.com/SaveForWeb/1.0/", "http://ns.adobe.com/Variables/1.0/", "http://ns.adobe.com/pdf/1.3/",
    "http://ns.adobe.com/xap/1.0/", "http://purl.org/dc/elements/1.1/", "http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd",
    "http://vectornator.io", "http://web.resource.org/cc/", "http://www.bohemiancoding.com/sketch/ns",
    "http://www.inkscape.org/namespaces/inkscape", "http://www.serif.com/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "https://boxy-svg.com"
];
