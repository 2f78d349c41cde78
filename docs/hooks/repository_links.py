# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""For mkdocs: links to files of the repository outside docs/ lead to the repository."""

import re


def on_page_markdown(markdown: str, page, config, files) -> str:
    """Return the page with ``](../FILE)`` as an address in the repository."""
    return re.sub(r'\]\(\.\./', f']({config.repo_url}/blob/main/', markdown)
