"""The page on which a user permits an application to reach their badges. Without scripts; it loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from scimsrv.badges.page import STYLE, STYLE_DIGEST, link


def consent_policy(target: str) -> str:
    """The page's Content-Security-Policy: its one style, and a form whose answer may lead to the application's origin."""
    return f"default-src 'none'; style-src 'sha256-{STYLE_DIGEST}'; base-uri 'none'; form-action 'self' {target}; frame-ancestors 'none'"


def consent_page(application: Mapping[str, Any], scopes: Mapping[str, str], action: str) -> str:
    """The page as HTML. `application` is what the application says of itself, `scopes` what it wants in words, `action` where the answer
    goes. Everything that anybody wrote is escaped."""
    name = escape(application["client_name"])
    wanted = "".join(f"<li>{escape(meaning)}</li>" for meaning in scopes.values())
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{name} asks for your badges</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<div class="verdict wait" role="status"><p>{name} asks for access to your badges</p></div>\n'
        f"<section><h2>What it wants to do</h2><ul>{wanted}</ul></section>\n"
        f"<section><h2>Who it is</h2><p>{link(application['client_uri'], escape(application['client_uri']))}</p>"
        f"<p>{link(application['tos_uri'], 'Terms of service')}, {link(application['policy_uri'], 'privacy policy')}</p></section>\n"
        f'<section><form method="post" action="{escape(action)}"><h2>Your answer</h2>\n'
        '<p><label for="token">An access token of your organisation that stands for you</label><br>\n'
        '<input id="token" name="access_token" type="password" autocomplete="off" required></p>\n'
        '<p><button name="permit" value="yes">Permit</button> <button name="permit" value="no">Refuse</button></p>\n'
        "</form></section>\n</main>\n</body>\n</html>\n"
    )
