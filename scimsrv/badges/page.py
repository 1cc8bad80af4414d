"""The page on which a person verifies a badge: who, what, when, by whom, and whether it still holds. Without scripts, for every reader."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Final
from urllib.parse import urlsplit

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #57606a; --paper: #ffffff; --back: #eef1f4; --line: #d5dae0;
  --good: #116329; --good-back: #dafbe1; --bad: #a40e26; --bad-back: #ffebe9; --wait: #7d4e00; --wait-back: #fff3cd; --link: #0b57c2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9edf2; --quiet: #9ea7b3; --paper: #171b21; --back: #0d1116; --line: #313944;
  --good: #6fdd8b; --good-back: #12301b; --bad: #ff9a92; --bad-back: #43181c; --wait: #f2cc60; --wait-back: #3a2d0b; --link: #79b8ff; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem; background: var(--back); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 44rem; margin: 0 auto; background: var(--paper); border: 1px solid var(--line); border-radius: .9rem; overflow: hidden; }
.verdict { padding: .9rem 1.75rem; font-weight: 600; display: flex; gap: .6rem; align-items: center; }
.verdict span { font-size: 1.35rem; line-height: 1; }
.verdict p { margin: 0; }
.good { color: var(--good); background: var(--good-back); }
.bad { color: var(--bad); background: var(--bad-back); }
.wait { color: var(--wait); background: var(--wait-back); }
.badge { padding: 1.75rem; display: flex; flex-wrap: wrap; gap: 1.75rem; align-items: flex-start; }
.badge img { width: 9rem; height: 9rem; object-fit: contain; }
.badge > div { flex: 1 1 17rem; min-width: 0; }
h1 { margin: 0 0 .25rem; font-size: 1.7rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 1.5rem 0 .35rem; font-size: 1.05rem; }
.earner { margin: 0 0 .75rem; font-size: 1.1rem; color: var(--quiet); }
.text { margin: 0; white-space: pre-line; overflow-wrap: anywhere; }
dl { margin: 0; padding: 1.25rem 1.75rem; border-top: 1px solid var(--line); display: grid; grid-template-columns: max-content 1fr;
  gap: .5rem 1.5rem; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
section { padding: 0 1.75rem 1.5rem; border-top: 1px solid var(--line); }
section > p:last-child { margin-bottom: 0; }
ul { margin: 0; padding-left: 1.2rem; }
footer { padding: 1rem 1.75rem; border-top: 1px solid var(--line); color: var(--quiet); font-size: .9rem; }
footer p { margin: .25rem 0; }
a { color: var(--link); }
code { font-size: .85em; overflow-wrap: anywhere; }
@media (max-width: 32rem) { dl { grid-template-columns: 1fr; gap: .1rem; } dd { margin-bottom: .6rem; } }
@media print { body { background: none; padding: 0; } main { border: 0; } }
"""

STYLE_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{STYLE_DIGEST}'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-popups allow-top-navigation-by-user-activation allow-downloads"
)
"""The page's Content-Security-Policy: its one style, pictures of this server, and nothing else."""

#: Class, sign, and sentence of each state.
_STATES: Final = {
    "active": ("good", "\u2713", "This badge is valid."),
    "expired": ("wait", "\u25f7", "This badge has expired."),
    "revoked": ("bad", "\u2715", "This badge was revoked. It is not valid any more."),
    "not yet valid": ("wait", "\u25f7", "This badge is not valid yet."),
}


@dataclass(frozen=True, slots=True)
class Verified:
    """What the page shows. `recipient` is a name, where one may be shown; `picture` a URL of this server; `verdicts` what was found of
    signature and issuer, as sentences; `alternates` media types and URLs of the other forms."""

    url: str
    credential: Mapping[str, Any]
    recipient: str | None
    state: str
    revoked: datetime | None
    reason: str | None
    picture: str | None
    verdicts: tuple[str, ...] = ()
    alternates: tuple[tuple[str, str], ...] = ()


def page(shown: Verified) -> str:
    """The page as HTML. Everything that anybody wrote is escaped."""
    achievement = shown.credential["credentialSubject"]["achievement"]
    issuer = shown.credential["issuer"]
    kind, sign, sentence = _STATES.get(shown.state, ("bad", "?", "The state of this badge is not known."))
    name, spoken = escape(achievement["name"]), _spoken(achievement)
    caption = escape(achievement.get("image", {}).get("caption", ""))
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="robots" content="noindex">',
        '<meta name="referrer" content="no-referrer">',
        *(f'<link rel="alternate" type="{type_}" href="{escape(url)}">' for type_, url in shown.alternates),
        f"<title>{name} - {escape(sentence)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>",
        f'<div class="verdict {kind}" role="status"><span aria-hidden="true">{sign}</span><p>{escape(sentence)}</p></div>',
        '<div class="badge">',
        f'<img src="{escape(shown.picture)}" alt="{caption}" width="144" height="144">' if shown.picture else "",
        f"<div><h1{spoken}>{name}</h1>",
        f'<p class="earner">Awarded to <bdi>{escape(shown.recipient)}</bdi></p>' if shown.recipient else "",
        f'<p class="text"{spoken}>{escape(achievement["description"])}</p></div></div>',
        "<dl>",
        *_facts(shown, issuer, achievement),
        "</dl>",
        *_criteria(achievement),
        *_evidence(shown.credential),
        "<footer>",
        *(f"<p>{escape(verdict)}</p>" for verdict in shown.verdicts),
        f'<p><a href="{escape(shown.url)}/credential.jwt" download>Signed credential</a> '
        "for verifying it elsewhere (Open Badges 3.0, as a JSON Web Token)</p>",
        "</footer>\n</main>\n</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _facts(shown: Verified, issuer: Mapping[str, Any], achievement: Mapping[str, Any]) -> list[str]:
    named = f"<bdi>{escape(issuer.get('name', issuer['id']))}</bdi>"
    link = issuer.get("url")
    rows = [
        ("Awarded by", link(link, named) if link else named),
        ("Awarded on", _day(shown.credential["validFrom"])),
        ("Valid until", _day(shown.credential["validUntil"]) if "validUntil" in shown.credential else ""),
        ("Revoked on", _day(shown.revoked.strftime("%Y-%m-%dT%H:%M:%SZ")) if shown.revoked else ""),
        ("Reason", f"<bdi>{escape(shown.reason)}</bdi>" if shown.reason else ""),
        ("Kind", escape(achievement.get("achievementType", ""))),
        ("Credential", f"<code>{escape(shown.credential['id'])}</code>"),
    ]
    return [f"<dt>{term}</dt><dd>{value}</dd>" for term, value in rows if value]


def _criteria(achievement: Mapping[str, Any]) -> list[str]:
    criteria = achievement.get("criteria", {})
    if not criteria:
        return []
    found = ["<section><h2>How it is earned</h2>"]
    if "narrative" in criteria:
        found.append(f'<p class="text"{_spoken(achievement)}>{escape(criteria["narrative"])}</p>')
    if "id" in criteria:
        found.append(f"<p>{link(criteria['id'], escape(criteria['id']))}</p>")
    return [*found, "</section>"]


def _evidence(credential: Mapping[str, Any]) -> list[str]:
    rows = []
    for one in credential.get("evidence", ()):
        text = f"<bdi>{escape(one.get('name') or one.get('id') or 'Evidence')}</bdi>"
        said = one.get("narrative") or one.get("description")
        rows.append(f"<li>{link(one['id'], text) if 'id' in one else text}{f': <bdi>{escape(said)}</bdi>' if said else ''}</li>")
    return ["<section><h2>Evidence</h2><ul>", *rows, "</ul></section>"] if rows else []


def _spoken(achievement: Mapping[str, Any]) -> str:
    """The language of what the achievement says, where it says which, and its direction, which is its own: the page around it is English
    and runs from left to right, whatever a name has in it."""
    language = achievement.get("inLanguage")
    return f' lang="{escape(language)}" dir="auto"' if isinstance(language, str) else ' dir="auto"'


def link(url: str, text: str) -> str:
    """A link, where the URL is one that a browser may follow; else the text alone."""
    try:
        safe = urlsplit(url).scheme in ("http", "https")
    except ValueError:
        safe = False
    return f'<a href="{escape(url)}" rel="nofollow noopener noreferrer" target="_blank">{text}</a>' if safe else text


def _day(text: str) -> str:
    when = datetime.fromisoformat(text)
    return f'<time datetime="{escape(text)}">{when.day} {when.strftime("%B %Y")}</time>'


def missing_page() -> str:
    """The page for a URL under which there is no badge."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>No such badge</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        '<div class="verdict bad" role="status"><span aria-hidden="true">\u2715</span><p>There is no badge at this address.</p></div>\n'
        '<div class="badge"><div><h1>No such badge</h1><p class="text">The address may be mistyped or cut short, '
        "or the badge may have been deleted.</p></div></div>\n</main>\n</body>\n</html>\n"
    )
