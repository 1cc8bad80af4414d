"""Run by the interpreter of an environment with openbadgeslib: answers one JSON line per line it is asked.

A question is [function, picture in base64, token or null]; an answer is the token found, the picture made in base64, or null.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys


def main() -> None:
    """Answer until there are no more questions."""
    library = importlib.import_module("openbadgeslib.baking")
    svg = {"element": library.SVG_ELEMENT_OB3}
    for line in sys.stdin:
        function, picture, token = json.loads(line)
        image = base64.b64decode(picture)
        answer: str | None = None
        try:
            match function:
                case "extract_png":
                    answer = library.extract_png(image, keyword=library.ITXT_KEYWORD_OB3)
                case "extract_svg":
                    answer = library.extract_svg(image, text_fallback=True, **svg)
                case "bake_png":
                    answer = base64.b64encode(library.bake_png(image, token, keyword=library.ITXT_KEYWORD_OB3)).decode()
                case "bake_svg":
                    as_text = token.startswith("{")
                    baked = library.bake_svg(image, token, namespace=library.SVG_NS_OB3, as_text=as_text, **svg)
                    answer = base64.b64encode(baked).decode()
        except Exception:
            answer = None
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
