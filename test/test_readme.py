# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The README is true: its code runs, its commands and links exist, its tables are whole."""

import re
import shlex

import launch_arguments
import numpy as np
import pytest
from paths import ROOT

from loftr_vo.cli import main
from loftr_vo.datasets.writing import write_sequence
from loftr_vo.synthetic.sequence import SyntheticSequence

README = (ROOT / 'README.md').read_text(encoding='utf-8')
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]


def blocks(language):
    return re.findall(rf'^```{language}\n(.*?)^```', README, re.MULTILINE | re.DOTALL)


def commands_to_type():
    """Return the words after ``loftr_vo`` of every such line in the blocks of shell code."""
    lines = [line for block in blocks('bash') for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith('loftr_vo ')]


def commands_mentioned():
    """Return the same of every ``loftr_vo`` command in running text."""
    text = re.sub(r'^```.*?^```', '', README, flags=re.MULTILINE | re.DOTALL)
    return sorted(set(re.findall(r'`loftr_vo ([a-z][^`]*)`', text)))


def anchors(page):
    """Return the anchors of a page's headings, as they are made for a browser."""
    headings = re.findall(r'^#+ (.*)$', page.read_text(encoding='utf-8'), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


def test_parameter_table_is_up_to_date():
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    from loftr_vo.ros.parameters import markdown_table

    table = re.search(
        r'<!-- parameters: begin.*?-->\n(.*?)<!-- parameters: end', README, re.DOTALL
    )
    assert table.group(1) == markdown_table(), (
        'paste what this prints: python -m loftr_vo.ros.parameters --markdown'
    )


@pytest.mark.parametrize('file', launch_arguments.FILES)
def test_launch_tables_are_up_to_date(file):
    table = re.search(f'<!-- {file}: begin -->\n(.*?)<!-- {file}: end', README, re.DOTALL)
    assert table.group(1) == launch_arguments.markdown(file), (
        'paste what this prints: python test/launch_arguments.py'
    )


@pytest.mark.parametrize('words', commands_to_type(), ids=' '.join)
def test_commands_to_type_are_understood(words):
    assert callable(main.make_parser().parse_args(words).command)


@pytest.mark.parametrize('mention', commands_mentioned())
def test_commands_mentioned_exist(mention):
    with pytest.raises(SystemExit) as end:
        main.make_parser().parse_args([*mention.split(), '--help'])
    assert end.value.code == 0


def test_python_code_runs(tmp_path, monkeypatch, capsys):
    write_sequence(SyntheticSequence('room', 3, (120, 160)), tmp_path / 'walk')
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks('python'):
        exec(compile(block, 'README.md', 'exec'), names)
    matches, estimate = names['matches'], names['estimate']
    assert len(matches) > 20
    assert matches.keypoints0.shape == matches.keypoints1.shape == (len(matches), 2)
    assert estimate.stamp == 1_200_000_000
    assert estimate.match_count > 20
    assert np.linalg.eigvalsh(estimate.covariance).min() > 0
    assert len(re.findall(r'^(?:initialising|tracking) ', capsys.readouterr().out, re.M)) == 3


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r'\]\((?!https?:)([^)]+)\)', page.read_text(encoding='utf-8')):
        file, _, anchor = target.partition('#')
        path = page.parent / file if file else page
        assert path.is_file(), target
        assert not anchor or anchor in anchors(path), target
