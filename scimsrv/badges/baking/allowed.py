"""The elements and attributes of SVG 1.1 that draw, and no others, as tables; the Rust crate's tables are compared with these."""

from __future__ import annotations

from typing import Final

ELEMENTS: Final = frozenset(
    b"a animate animateMotion animateTransform circle clipPath defs desc ellipse feBlend feColorMatrix feComponentTransfer feComposite"
    b" feConvolveMatrix feDiffuseLighting feDisplacementMap feDistantLight feDropShadow feFlood feFuncA feFuncB feFuncG feFuncR"
    b" feGaussianBlur feMerge feMergeNode feMorphology feOffset fePointLight feSpecularLighting feSpotLight feTile feTurbulence filter g"
    b" image line linearGradient marker mask metadata mpath path pattern polygon polyline radialGradient rect set stop style svg switch"
    b" symbol text textPath title tspan use view".split()
)

ATTRIBUTES: Final = frozenset(
    b"accumulate additive alignment-baseline amplitude attributeName attributeType azimuth baseFrequency baseProfile baseline-shift"
    b" begin bias by calcMode class clip clip-path clip-rule clipPathUnits color color-interpolation color-interpolation-filters"
    b" color-rendering contentStyleType cursor cx cy d diffuseConstant direction display divisor dominant-baseline dur dx dy edgeMode"
    b" elevation enable-background end exponent fill fill-opacity fill-rule filter filterRes filterUnits flood-color flood-opacity"
    b" focusable font-family font-size font-size-adjust font-stretch font-style font-variant font-weight fr from fx fy"
    b" glyph-orientation-horizontal glyph-orientation-vertical gradientTransform gradientUnits height href id image-rendering in in2"
    b" intercept isolation k1 k2 k3 k4 kernelMatrix kernelUnitLength kerning keyPoints keySplines keyTimes lang lengthAdjust"
    b" letter-spacing lighting-color limitingConeAngle marker-end marker-mid marker-start markerHeight markerUnits markerWidth mask"
    b" mask-type maskContentUnits maskUnits max media method min mix-blend-mode mode numOctaves offset opacity operator order orient"
    b" overflow overline-position overline-thickness paint-order path pathLength patternContentUnits patternTransform patternUnits"
    b" pointer-events points pointsAtX pointsAtY pointsAtZ preserveAlpha preserveAspectRatio primitiveUnits r radius refX refY"
    b" repeatCount repeatDur requiredFeatures restart result role rotate rx ry scale seed shape-rendering slope spacing"
    b" specularConstant specularExponent spreadMethod startOffset stdDeviation stitchTiles stop-color stop-opacity"
    b" strikethrough-position strikethrough-thickness stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin"
    b" stroke-miterlimit stroke-opacity stroke-width style surfaceScale systemLanguage tabindex tableValues target targetX targetY"
    b" text-anchor text-decoration text-rendering textLength title to transform transform-box transform-origin type underline-position"
    b" underline-thickness unicode-bidi values vector-effect version viewBox viewTarget visibility width word-spacing writing-mode x"
    b" x1 x2 xChannelSelector y y1 y2 yChannelSelector z zoomAndPan".split()
)

XLINK_ATTRIBUTES: Final = frozenset(b"href title type show actuate role arcrole".split())

XML_ATTRIBUTES: Final = frozenset(b"space lang".split())

#: What an animation may change: everything that draws, and neither links nor styles.
ANIMATED: Final = ATTRIBUTES - frozenset(b"attributeName attributeType begin by class end from href id style target to type values".split())

#: Namespaces of drawing programs and of metadata: inert in a viewer, and cut out.
CUT: Final = frozenset(
    b"http://www.inkscape.org/namespaces/inkscape http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd"
    b" http://www.w3.org/1999/02/22-rdf-syntax-ns# http://creativecommons.org/ns# http://web.resource.org/cc/"
    b" http://purl.org/dc/elements/1.1/ http://www.bohemiancoding.com/sketch/ns http://ns.adobe.com/AdobeIllustrator/10.0/"
    b" http://ns.adobe.com/Extensibility/1.0/ http://ns.adobe.com/Graphs/1.0/ http://ns.adobe.com/AdobeSVGViewerExtensions/3.0/"
    b" http://ns.adobe.com/Variables/1.0/ http://ns.adobe.com/SaveForWeb/1.0/ http://ns.adobe.com/xap/1.0/ http://ns.adobe.com/pdf/1.3/"
    b" http://www.serif.com/ https://boxy-svg.com http://vectornator.io".split()
)
