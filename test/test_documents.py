# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The documents name modules that exist, link to headings that exist, and are wrapped."""

import re
from importlib.util import find_spec

import pytest
from paths import ROOT

DOCUMENTS = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]
OURS = ('loftr_vo', 'training', 'experiments')
WIDTH = 99

each_document = pytest.mark.parametrize('path', DOCUMENTS, ids=lambda path: path.name)


def anchors(path):
    """Anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r'^#+ (.+)$', path.read_text(), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


@each_document
def test_modules_that_commands_name_exist(path):
    text = path.read_text()
    names = re.findall(r'python3? -m ([\w.]+)', text) + re.findall(
        r'^from ([\w.]+) import', text, re.M
    )
    ours = [name for name in names if name.split('.')[0] in OURS]
    assert [name for name in ours if find_spec(name) is None] == []


@each_document
def test_links_within_the_documents_lead_somewhere(path):
    broken = []
    for file, anchor in re.findall(r'\]\((?!http)([^)#\s]*)(?:#([^)\s]*))?\)', path.read_text()):
        target = (path.parent / file) if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f'{file}#{anchor}')
    assert broken == []


@each_document
def test_paths_of_source_files_are_those_of_the_tree(path):
    named = re.findall(r'`((?:\w+/)+\w+\.py)`', path.read_text())
    roots = (ROOT, ROOT / 'loftr_vo', ROOT / 'loftr_vo' / 'odometry')
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


@each_document
def test_prose_is_wrapped(path):
    lines, in_code = [], False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        in_code ^= line.startswith('```')
        table_or_link = line.lstrip().startswith('|') or 'http' in line or '](' in line
        if len(line) > WIDTH and not in_code and not table_or_link:
            lines.append(number)
    assert lines == []
