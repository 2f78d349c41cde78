# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""HTML pages from Jinja templates, with styles and scripts in the page."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import jinja2

_TEMPLATES = 'loftr_vo.evaluation'


def render(template: str, **values: Any) -> str:
    """Return a page.

    Args:
        template: name of a file in page/.
        values: what the template takes; text in them is escaped.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals['asset'] = lambda name: jinja2.utils.markupsafe.Markup(asset(name))
    environment.filters['script_json'] = _script_json
    return environment


def asset(name: str) -> str:
    """Return the text of a file in page/."""
    return (resources.files(_TEMPLATES) / 'page' / name).read_text(encoding='utf-8')


def _script_json(value: Any) -> Any:
    """Return a value as JSON that cannot end the script element that holds it."""
    text = json.dumps(value, separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')
    return jinja2.utils.markupsafe.Markup(text)
