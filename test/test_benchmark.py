# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark: its figures, its peer, its timeline."""

import json

import cv2
import numpy as np
import pytest

from loftr_vo.cli.main import main
from loftr_vo.evaluation.timing import comparing, peer
from loftr_vo.evaluation.timing.comparing import Plan, compare, settings_for
from loftr_vo.evaluation.timing.peer import PeerError, start_peer
from loftr_vo.evaluation.timing.timeline import draw_timeline, overlap
from loftr_vo.matching.stage_trace import Span

KEYS = {
    'device',
    'size',
    'weights',
    'ours_ms_median',
    'ours_ms_p95',
    'peer_ms_median',
    'peer_amp_ms_median',
    'ratio',
    'ratio_amp',
    'stages_ms',
    'gpu_memory_mib',
    'frames_per_second',
    'host_memory_mib',
}


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch):
    monkeypatch.setattr(comparing, 'PICTURES', 3)


def test_command_writes_what_the_contract_says(tmp_path, capsys):
    pytest.importorskip('kornia')
    arguments = ['--size', '96x64', '--rounds', '1', '--device', 'cpu', '--peer', 'kornia']
    path, picture = tmp_path / 'figures.json', tmp_path / 'deep' / 'timeline.png'
    assert main(['benchmark', *arguments, '--json', str(path), '-o', str(picture)]) == 0
    assert cv2.imread(str(picture)).shape[1] > 1000
    figures = json.loads(path.read_text())
    assert figures.keys() >= KEYS
    assert (figures['size'], figures['weights']) == ('96x64', 'compact')
    assert figures['ours_ms_p95'] >= figures['ours_ms_median'] > 0
    assert figures['ratio'] == figures['peer_ms_median'] / figures['ours_ms_median']
    assert figures['peer_weights'] == 'random:outdoor'
    assert figures['ratio_amp'] is figures['gpu_memory_mib'] is None
    assert figures['stages_ms'].keys() == {'prepare', 'encode', 'match'}
    output = capsys.readouterr().out
    assert 'streamed frame' in output
    assert 'kornia' in output


def test_published_networks_see_the_whole_picture_and_compact_what_it_sees_by_default():
    figures = compare(Plan(settings_for('random:compact', 'cpu', 'auto'), (640, 128), rounds=1))
    assert figures['working_size'] == '640x128'
    assert figures['ratio'] is None
    assert settings_for('compact', 'cpu', 'auto').image_size == 0


def test_peer_has_our_numbers_and_says_how_many_matches():
    pytest.importorskip('kornia')
    picture = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (96, 128), np.uint8), (0, 0), 1
    )
    with start_peer('kornia', 'compact', (picture, picture), 'cpu') as other:
        milliseconds, count = other.match()
    assert milliseconds > 0
    assert count > 50


def test_peer_that_fails_says_why():
    pytest.importorskip('kornia')
    picture = np.zeros((64, 64), np.uint8)
    with (
        pytest.raises(PeerError, match='no weights called'),
        start_peer('kornia', 'absent', (picture, picture), 'cpu'),
    ):
        pass


def test_peer_that_is_not_installed_is_an_error(monkeypatch):
    monkeypatch.setattr(peer.importlib.util, 'find_spec', lambda name: None)
    picture = np.zeros((64, 64), np.uint8)
    with (
        pytest.raises(PeerError, match='pip install kornia'),
        start_peer('kornia', 'compact', (picture, picture), 'cpu'),
    ):
        pass


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--size', '640'], '640x480'),
        (['--size', '10x10'], 'between 64 and 2048'),
        (['--rounds', '0'], 'whole number'),
        (['--peer', 'other'], 'kornia'),
    ],
)
def test_bad_arguments_are_refused(arguments, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(['benchmark', *arguments])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_unknown_weights_are_refused(capsys):
    assert main(['benchmark', '--weights', 'absent', '--size', '64x64']) == 2
    assert 'no weights called' in capsys.readouterr().err


SPANS = [Span('geometry', 0.0, 0.1), Span('encode', 0.05, 0.2), Span('match', 0.2, 0.3)]


def test_overlap_is_the_share_of_time():
    assert overlap(SPANS, 'geometry', ('encode', 'match')) == pytest.approx(0.5)
    assert overlap(SPANS, 'match', ('geometry',)) == 0
    assert overlap(SPANS, 'copy', ('match',)) == 0


def test_timeline_needs_a_kind_of_picture(tmp_path):
    with pytest.raises(OSError, match=r'\.png'):
        draw_timeline(SPANS, tmp_path / 'timeline.xyz', '')
