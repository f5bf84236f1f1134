# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bits of HTML that a report is made of; every text is escaped."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["cards", "figure", "page", "paragraph", "preformatted", "section", "table", "warning"]

STYLE = """
:root { color-scheme: light; --ink: #1c2733; --soft: #5b6875; --line: #dde3e9; --blue: #0b5fa5; }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: #f5f7f9; }
main { max-width: 1060px; margin: 0 auto; padding: 1.2rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .4rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 .6rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); font-size: .9rem; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem;
  margin: 1rem 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(128px, 1fr)); gap: .7rem;
  margin: 1rem 0; }
.cards div { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: .7rem .9rem; }
.cards b { display: block; font-size: 1.35rem; color: var(--blue); white-space: nowrap; }
.cards span { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; background: linear-gradient(to right, #fff 1.2rem, #fff0) local,
  linear-gradient(to left, #fff 1.2rem, #fff0) local,
  linear-gradient(to right, #0003, #fff0 .8rem), linear-gradient(to left, #0003, #fff0 .8rem); }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line);
  white-space: nowrap; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 600; }
table.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
table.facts td:first-child { color: var(--soft); width: 13rem; }
figure { margin: .8rem 0; } figure img { width: 100%; max-width: 600px; display: block; }
figure.photo img { max-width: none; }
figcaption { color: var(--soft); font-size: .9rem; }
pre { background: #eef2f5; border-radius: 6px; padding: .7rem; overflow-x: auto; margin: 0;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.warning { background: #c1121f; color: #fff; border-radius: 10px; padding: .7rem 1rem;
  font-weight: 600; margin: .7rem 0; overflow-wrap: anywhere; }
@media (max-width: 560px) { main { padding: .7rem; } section { padding: .8rem; }
  th, td { padding: .3rem .4rem; font-size: .84rem; }
  table.facts td:first-child { width: 7.5rem; } }
"""


def page(title: str, body: Iterable[str]) -> str:
    """A whole document that needs no other file."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(title: str, *content: str) -> str:
    """A box with a heading."""
    return f"<section>\n<h2>{escape(title)}</h2>\n" + "\n".join(content) + "\n</section>"


def paragraph(text: str) -> str:
    """A remark, in small grey."""
    return f'<p class="soft">{escape(text)}</p>'


def warning(text: str) -> str:
    """What must not be missed, on red."""
    return f'<p class="warning">{escape(text)}</p>'


def preformatted(text: str) -> str:
    """A command, as it is typed."""
    return f"<pre>{escape(text)}</pre>"


def cards(facts: Iterable[tuple[str, str]]) -> str:
    """Numbers in large, each over what it is."""
    boxes = (f"<div><b>{escape(v)}</b><span>{escape(k)}</span></div>" for k, v in facts)
    return f'<div class="cards">{"".join(boxes)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], facts: bool = False) -> str:
    """A table that scrolls where it is too wide, with a shadow there; ``facts`` are texts."""

    def line(kind: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{kind}>{escape(c)}</{kind}>" for c in cells) + "</tr>"

    first = f"<thead>{line('th', head)}</thead>" if head else ""
    body = "".join(line("td", row) for row in rows)
    kind = ' class="facts"' if facts else ""
    return f'<div class="wide"><table{kind}>{first}<tbody>{body}</tbody></table></div>'


def figure(data: bytes, media_type: str, caption: str, photo: bool = False) -> str:
    """A picture, within the file; a photo is as wide as the page."""
    source = f"data:{media_type};base64,{b64encode(data).decode()}"
    kind = ' class="photo"' if photo else ""
    alt = escape(caption, quote=True)
    return (
        f'<figure{kind}><div class="wide"><img src="{source}" alt="{alt}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
