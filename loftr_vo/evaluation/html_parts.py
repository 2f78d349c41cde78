# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What HTML reports are put together from; everything is in the page, nothing is loaded."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from importlib import resources

import cv2
import numpy as np

_WIDEST_PICTURE = 1070  # as wide as the page shows it
_JPEG_QUALITY = 65
# Nothing is loaded and nothing sent: what is not in the page is not there.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture with a line under it.

    Attributes:
        pixels: (H, W, 3) uint8 BGR.
        caption: the line.
    """

    pixels: np.ndarray
    caption: str


def document(title: str, body: list[str], data: str = '') -> str:
    """Return a page.

    Args:
        title: its title.
        body: pieces of HTML; empty ones are left out.
        data: JSON that the page's script draws its plots from; empty for a page without plots.
    """
    script = (
        f'<script type="application/json" id="data">{_in_script(data)}</script>\n'
        f'<script>\n{_asset("report.js")}</script>'
        if data
        else ''
    )
    return '\n'.join(
        [
            '<!DOCTYPE html>',
            '<html lang="en">',
            '<head>',
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<title>{escape(title)}</title>',
            f'<style>\n{_asset("report.css")}</style>',
            '</head>',
            '<body>',
            '<main>',
            *(part for part in body if part),
            '</main>',
            script,
            '</body>',
            '</html>',
            '',
        ]
    )


def _in_script(text: str) -> str:
    """Return JSON that cannot end the element that holds it."""
    return text.replace('<', '\\u003c')


def key(colour: str, text: str, kind: str = '') -> str:
    """Return an entry of a legend; the colour is a variable of the style sheet."""
    return f'<span class="key{kind}" style="--colour: var(--{colour})">{escape(text)}</span>'


def table(rows: list[tuple[str, str]]) -> str:
    """Return a table of names and what is said of them."""
    lines = [f'<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>' for name, text in rows]
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def figure(picture: Picture) -> str:
    """Return a picture and its caption."""
    height, width = picture.pixels.shape[:2]
    shrink = min(1.0, _WIDEST_PICTURE / width)
    width, height = max(1, round(width * shrink)), max(1, round(height * shrink))
    pixels = cv2.resize(picture.pixels, (width, height), interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert done  # a picture of 8 bits always encodes
    text = base64.b64encode(data.tobytes()).decode('ascii')
    caption = escape(picture.caption)
    return (
        f'<figure><img width="{width}" height="{height}" alt="{caption}" loading="lazy" '
        f'src="data:image/jpeg;base64,{text}"><figcaption>{caption}</figcaption></figure>'
    )


def _asset(name: str) -> str:
    return (resources.files('loftr_vo.evaluation') / 'page' / name).read_text(encoding='utf-8')
