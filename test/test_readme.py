# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""README and documents are true: code runs, commands and links exist, tables are whole."""

import importlib
import re
import shlex

import launch_arguments
import numpy as np
import pytest
from paths import ROOT

import loftr_vo
from loftr_vo.cli import main
from loftr_vo.datasets.writing import write_sequence
from loftr_vo.synthetic.sequence import SyntheticSequence

PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]
LONGEST_README = 200  # lines


def page(name):
    return (ROOT / name).read_text(encoding='utf-8')


def blocks(text, language):
    return re.findall(rf'^```{language}\n(.*?)^```', text, re.MULTILINE | re.DOTALL)


def commands_to_type():
    """Return the words after ``loftr_vo`` of every such line in the blocks of shell code.

    A line with brackets or bars shows what may be written, and is no command.
    """
    everything = [block for path in PAGES for block in blocks(path.read_text(), 'bash')]
    lines = re.split(r'\n|&& *', '\n'.join(everything).replace('\\\n', ' '))
    commands = [line for line in lines if re.match(r'loftr_vo [^\[|]*$', line)]
    words = [shlex.split(line, comments=True)[1:] for line in commands]
    return sorted({tuple(each): list(each) for each in words}.values())


def commands_mentioned():
    """Return the same of every ``loftr_vo`` command in running text."""
    everything = '\n'.join(path.read_text() for path in PAGES)
    text = re.sub(r'^```.*?^```', '', everything, flags=re.MULTILINE | re.DOTALL)
    mentioned = re.findall(r'`loftr_vo ([a-z][^`]*)`', text)
    # A command, and of its options the names.
    return sorted({words.split()[0] for words in mentioned})


def anchors(page):
    """Return the anchors of a page's headings, as they are made for a browser."""
    headings = re.findall(r'^#+ (.*)$', page.read_text(encoding='utf-8'), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


def test_parameter_table_is_up_to_date():
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    from loftr_vo.ros.parameters import markdown_table

    table = re.search(
        r'<!-- parameters: begin.*?-->\n(.*?)<!-- parameters: end',
        page('docs/interface.md'),
        re.DOTALL,
    )
    assert table.group(1) == markdown_table(), (
        'paste what this prints: python -m loftr_vo.ros.parameters --markdown'
    )


@pytest.mark.parametrize('file', launch_arguments.FILES)
def test_launch_tables_are_up_to_date(file):
    text = page('docs/robot.md')
    table = re.search(f'<!-- {file}: begin -->\n(.*?)<!-- {file}: end', text, re.DOTALL)
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


def test_readme_is_short():
    assert len(page('README.md').splitlines()) <= LONGEST_README


@pytest.fixture(scope='module')
def walk(tmp_path_factory):
    """Return a folder with the sequence ``walk``, short and small."""
    folder = tmp_path_factory.mktemp('documents')
    write_sequence(SyntheticSequence('room', 3, (120, 160)), folder / 'walk')
    return folder


@pytest.mark.parametrize('name', ['README.md', 'docs/python.md'])
def test_python_code_runs(walk, name, monkeypatch, capsys):
    monkeypatch.chdir(walk)
    names = {}
    for block in blocks(page(name), 'python'):
        exec(compile(block, name, 'exec'), names)
    assert len(re.findall(r'^(?:initialising|tracking) ', capsys.readouterr().out, re.M)) == 3
    if name == 'docs/python.md':
        matches, estimate = names['matches'], names['estimate']
        assert len(matches) > 20
        assert matches.keypoints0.shape == matches.keypoints1.shape == (len(matches), 2)
        assert estimate.stamp == 1_200_000_000
        assert estimate.match_count > 20
        assert np.linalg.eigvalsh(estimate.covariance).min() > 0


def test_every_public_name_has_an_example_and_a_reference():
    text = page('docs/python.md')
    code = '\n'.join(blocks(text, 'python'))
    reference = re.findall(r'^::: ([\w.]+)$', text, re.MULTILINE)
    assert sorted(name.rpartition('.')[2] for name in reference) == sorted(loftr_vo.__all__)
    for full in reference:
        module, _, name = full.rpartition('.')
        assert getattr(importlib.import_module(module), name) is getattr(loftr_vo, name)
        assert re.search(rf'\b{name}\b', code), name


def test_every_page_is_in_the_navigation_of_the_site():
    listed = re.findall(r'- (?:\w+: )?(\w+\.md)$', page('mkdocs.yml'), re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (ROOT / 'docs').glob('*.md'))


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r'\]\((?!https?:)([^)]+)\)', page.read_text(encoding='utf-8')):
        file, _, anchor = target.partition('#')
        path = page.parent / file if file else page
        assert path.is_file(), target
        assert not anchor or anchor in anchors(path), target
