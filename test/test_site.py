# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The site of the documents: built without a warning, and good to look at in a browser."""

import os
import shutil
import subprocess

import pytest
from browser import faults_of_site, needs_chromium
from paths import ROOT

# Where `make docs` puts it; in the test environment itself; elsewhere.
MKDOCS = shutil.which('mkdocs', path=ROOT / '.venv-tools' / 'bin') or shutil.which('mkdocs')

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """Return the folder of the site, built anew."""
    if MKDOCS is None:
        pytest.skip('mkdocs is not installed: make docs')
    folder = tmp_path_factory.mktemp('documents') / 'site'
    words = [MKDOCS, 'build', '--strict', '--quiet', '--site-dir', folder]
    built = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, 'NO_MKDOCS_2_WARNING': '1'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, built.stdout, built.stderr) == (0, '', '')
    return folder


def test_every_document_is_a_page(site):
    documents = {path.stem for path in (ROOT / 'docs').glob('*.md')} - {'index'}
    assert {path.parent.name for path in site.glob('*/index.html')} == documents


@needs_chromium
def test_pages_fit_a_desktop_and_a_phone_and_have_no_faults(site):
    pages = ['/' if path.parent == site else f'/{path.parent.name}/' for path in pages_of(site)]
    assert faults_of_site(site, pages) == []


def pages_of(site):
    return sorted([site / 'index.html', *site.glob('*/index.html')])


@needs_chromium
def test_faults_of_a_page_are_found(tmp_path):
    site = tmp_path / 'site'
    site.mkdir()
    (site / 'good.html').write_text('<!doctype html><link rel="icon" href="data:,"><p>Good.')
    (site / 'bad.html').write_text(
        '<!doctype html><link rel="icon" href="data:,"><div style="width:500px">wide</div>'
        '<img src="/gone.png"><script src="https://elsewhere.example/a.js"></script>'
        '<script>undefinedFunction();</script>'
    )
    faults = '\n'.join(faults_of_site(site, ['/good.html', '/bad.html']))
    assert '/bad.html at 390 px is' in faults
    assert 'at 1280 px' not in faults
    assert 'good.html' not in faults
    assert 'lacks http' in faults
    assert 'undefinedFunction is not defined' in faults
    assert "Loading the script 'https://elsewhere.example/a.js' violates" in faults
