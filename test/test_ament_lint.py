# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""ament's linters find nothing, where they are installed."""

import shutil
from pathlib import Path

import pytest
from paths import ROOT

SOURCES = [str(ROOT / part) for part in ('loftr_vo', 'launch', 'test', 'setup.py')]
pytestmark = pytest.mark.linter


def linter(name):
    """Return the main module of an ament linter."""
    return pytest.importorskip(f'{name}.main', reason=f'{name} is not installed')


def test_flake8():
    config = ROOT / 'test' / 'flake8.ini'
    code, errors = linter('ament_flake8').main_with_errors(
        argv=['--config', str(config), *SOURCES]
    )
    assert code == 0, '\n'.join(errors)


def test_pep257(capsys):
    # The convention is ruff's. D417: related arguments may be described together.
    options = ['--convention', 'google', '--add-ignore', 'D417', 'D105', 'D107', '--']
    code = linter('ament_pep257').main(argv=[*options, *SOURCES[:2]])
    assert code == 0, capsys.readouterr().err


def test_copyright(monkeypatch, capsys):
    """Every file names the copyright and the licence, by its SPDX identifier."""
    main = linter('ament_copyright')
    import ament_copyright
    from ament_copyright.licenses import LicenseEntryPoint

    # ament_copyright knows only licences whose text is repeated in every file.
    header = '{copyright}\n\nSPDX-License-Identifier: Apache-2.0'
    known = ament_copyright.get_licenses()
    whole = known['apache2']
    spdx = LicenseEntryPoint(
        whole.name, whole.spdx, [header], whole.license_files, whole.contributing_files
    )
    for module in (main, ament_copyright.parser):
        monkeypatch.setattr(module, 'get_licenses', lambda: {**known, 'apache2': spdx})
    code = main.main(argv=SOURCES)
    assert code == 0, ''.join(capsys.readouterr())


def test_xmllint(capsys):
    main = linter('ament_xmllint')
    if shutil.which('xmllint') is None:
        pytest.skip('xmllint is not installed')
    code = main.main(argv=[str(ROOT / 'package.xml')])
    told = ''.join(capsys.readouterr())
    if 'Failed to locate the main schema resource' in told:
        pytest.skip('the schema of package.xml cannot be fetched from download.ros.org')
    assert code == 0, told


def test_a_file_without_a_licence_is_found(tmp_path, capsys):
    """The check of the copyright can fail."""
    main = linter('ament_copyright')
    Path(tmp_path / 'module.py').write_text('"""Nothing."""\n\nNUMBER = 1\n')
    assert main.main(argv=[str(tmp_path)]) != 0
    assert 'could not find copyright' in ''.join(capsys.readouterr())
