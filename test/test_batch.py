# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Many recordings: named, run side by side, resumed, and compared."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import recordings
import yaml
from paths import ROOT

from loftr_vo.cli import main
from loftr_vo.config import Settings
from loftr_vo.datasets import DatasetError
from loftr_vo.evaluation.batch import result as results
from loftr_vo.evaluation.batch import schema, table_file
from loftr_vo.evaluation.batch.comparison import compare
from loftr_vo.evaluation.batch.fingerprint import fingerprint
from loftr_vo.evaluation.batch.inputs import expand, with_unique_names
from loftr_vo.evaluation.batch.processes import run_in_processes
from loftr_vo.evaluation.batch.task import RecordingOptions, Task

NAMES = ['one', 'three', 'two']


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        recordings.write_folder(tmp_path / 'all' / name)
    return tmp_path / 'all'


def evaluate(*words):
    return main.main(['evaluate', *map(str, words), '--baseline', 'lk'])


def without_times(one, other):
    """Return both sets of rows without what is a time."""
    timing = {column.name for column in schema.COLUMNS if column.is_timing}
    return [
        [{k: v for k, v in row.items() if k not in timing} for row in rows]
        for rows in (one, other)
    ]


def named(words):
    return [(r.name, r.source) for r in with_unique_names(expand(list(map(str, words)), OPTIONS))]


OPTIONS = RecordingOptions()


def test_folders_globs_and_lists_name_recordings(folder, tmp_path):
    every = [(name, str(folder / name)) for name in NAMES]
    assert named([folder]) == every
    assert named([folder / 't*']) == every[1:]
    (tmp_path / 'list.txt').write_text('# a line each\nall/one\nall/t*\n')
    assert named([f'@{tmp_path}/list.txt']) == every
    with pytest.raises(DatasetError, match='no recording at'):
        named([tmp_path / 'nothing*'])


def test_a_list_has_options_for_each_recording(folder, tmp_path):
    entries = ['all/one', {'path': 'all/two', 'name': 'second', 'camera': 'a.yaml'}]
    entries.append({'path': 'all/three', 'ground_truth': 'truth.txt', 'extrinsics': 'optical'})
    entries[2]['set'] = {'matcher.image_size': 160}
    path = tmp_path / 'list.yaml'
    path.write_text(yaml.safe_dump(entries))
    one, two, three = with_unique_names(expand([f'@{path}'], OPTIONS))
    assert (one.name, two.name, three.name) == ('one', 'second', 'three')
    assert two.options.camera == tmp_path / 'a.yaml'
    assert three.options.truth.path == tmp_path / 'truth.txt'
    assert three.options.truth.extrinsics.shape == (4, 4)
    assert three.settings == {'matcher.image_size': 160}
    path.write_text(yaml.safe_dump([{'path': 'all/one', 'camra': 'a.yaml'}]))
    with pytest.raises(DatasetError, match=r'recording 1: unknown: camra'):
        expand([f'@{path}'], OPTIONS)


def test_recordings_of_one_name_get_different_folders(tmp_path):
    for parent in 'ab':
        recordings.write_folder(tmp_path / parent / 'walk')
    assert [name for name, _ in named([tmp_path])] == ['a-walk', 'b-walk']


def test_side_by_side_is_as_one_after_the_other(folder, tmp_path):
    assert evaluate(folder, '-o', tmp_path / 'in_turn') == 0
    assert evaluate(folder, '-o', tmp_path / 'jobs', '--jobs', 2) == 0
    for name in NAMES:
        first, second = (tmp_path / way / name / 'trajectory.txt' for way in ('in_turn', 'jobs'))
        assert first.read_bytes() == second.read_bytes()
    rows = [table_file.read_results(str(tmp_path / way)) for way in ('in_turn', 'jobs')]
    first, second = without_times(*rows)
    assert first == second
    assert [row['sequence'] for row in rows[0]] == NAMES
    assert 'three/report.html' in (tmp_path / 'jobs' / 'summary.html').read_text()


def test_a_corrupt_recording_costs_itself_alone(folder, tmp_path, capsys):
    (folder / 'three' / 'camera.yaml').write_text('nonsense: [')
    (folder / 'one' / 'groundtruth.txt').unlink()
    for words in ([], ['--jobs', 2]):
        output = tmp_path / f'out{len(words)}'
        assert evaluate(folder, '-o', output, *words) == 2
        rows = table_file.read_results(str(output))
        assert [row['status'] for row in rows] == ['failed', 'failed', 'done']
        assert 'has no ground truth' in rows[0]['error']
        error = capsys.readouterr().err
        assert 'three failed:' in error
        assert 'camera.yaml' in (output / 'summary.html').read_text()


def tasks_of(folder, output):
    return [
        Task(n, str(folder / n), OPTIONS, Settings(), 'lk', str(output / n), code='c')
        for n in NAMES
    ]


def test_a_killed_process_costs_its_recording_alone(folder, tmp_path):
    tasks = tasks_of(folder, tmp_path / 'out')
    thread = threading.Thread(target=kill_child_once)
    thread.start()
    found = list(run_in_processes(tasks, 1, 1, lambda frames: None))
    thread.join()
    by_name = {result.name: result for result in found}
    assert 'SIGKILL' in by_name['one'].error
    assert [by_name[name].status for name in NAMES] == ['failed', 'done', 'done']
    assert results.load(str(tmp_path / 'out' / 'one')).status == results.FAILED


def kill_child_once():
    import multiprocessing

    while not (children := multiprocessing.active_children()):
        time.sleep(0.01)
    os.kill(children[0].pid, signal.SIGKILL)


def test_resume_does_only_what_is_not_done_or_has_changed(folder, tmp_path, capsys):
    output = tmp_path / 'out'
    assert evaluate(folder, '-o', output) == 0
    before = table_file.read_results(str(output))
    stamps = {name: (output / name / 'report.html').stat().st_mtime_ns for name in NAMES}
    (output / 'two' / 'result.json').unlink()
    (folder / 'one' / 'images' / 'frame8.png').touch()
    assert evaluate(folder, '-o', output, '--resume', '--jobs', 2) == 0
    anew = {n for n in NAMES if (output / n / 'report.html').stat().st_mtime_ns != stamps[n]}
    assert anew == {'one', 'two'}
    first, second = without_times(before, table_file.read_results(str(output)))
    assert first == second
    assert evaluate(folder, '--resume') == 2
    assert 'name it with -o' in capsys.readouterr().err


def test_a_calibration_that_has_changed_makes_another_result(folder, tmp_path):
    file = tmp_path / 'camchain.yaml'
    file.write_text('cam0: {}')
    for given in (file, f'{file}:cam0'):
        options = RecordingOptions(camera=given)
        task = Task('one', str(folder / 'one'), options, Settings(), 'lk', code='c')
        before = fingerprint(task)
        assert fingerprint(task) == before
        file.write_text(file.read_text() + '\n')
        assert fingerprint(task) != before


def test_a_command_that_is_killed_goes_on_where_it_was(folder, tmp_path):
    output = tmp_path / 'out'
    words = ['-m', 'loftr_vo.cli', 'evaluate', str(folder), '--baseline', 'lk', '-o', str(output)]
    process = subprocess.Popen([sys.executable, *words, '--jobs', '1'], cwd=ROOT)
    while not list(output.glob('*/result.json')):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (output / 'summary.html').exists()
    assert evaluate(folder, '-o', output, '--resume') == 0
    assert [row['status'] for row in table_file.read_results(str(output))] == ['done'] * 3


def test_results_and_recordings_may_be_urls(folder, tmp_path):
    fsspec = pytest.importorskip('fsspec')
    memory = fsspec.filesystem('memory')
    memory.put(str(folder), '/recordings', recursive=True)
    try:
        assert evaluate('memory://recordings/t*', '-o', 'memory://out') == 0
        rows = table_file.read_results('memory://out')
        assert [row['sequence'] for row in rows] == ['three', 'two']
        assert memory.exists('/out/two/report.html')
        assert memory.exists('/out/summary.html')
        changed = memory.modified('/out/two/report.html')
        assert evaluate('memory://recordings/t*', '-o', 'memory://out', '--resume') == 0
        assert memory.modified('/out/two/report.html') == changed
    finally:
        memory.store.clear()
    assert evaluate(f'file://{folder}/one', '-o', f'file://{tmp_path}/out', '--jobs', 1) == 0
    assert (tmp_path / 'out' / 'one' / 'result.json').exists()


def test_the_same_on_a_ray_cluster(folder, tmp_path):
    pytest.importorskip('ray', reason='Ray is not installed: pip install "loftr_vo[cluster]"')
    assert evaluate(folder, '-o', tmp_path / 'in_turn') == 0
    assert evaluate(folder, '-o', tmp_path / 'ray', '--ray', 'local') == 0
    rows = [table_file.read_results(str(tmp_path / way)) for way in ('in_turn', 'ray')]
    first, second = without_times(*rows)
    assert first == second


def test_repeats_have_a_row_each(folder, tmp_path):
    assert evaluate(folder / 'one', '--repeat', 2, '-o', tmp_path / 'out') == 0
    rows = table_file.read_results(str(tmp_path / 'out'))
    assert [(row['repeat'], row['folder']) for row in rows] == [
        (1, 'one/repeat-1'),
        (2, 'one/repeat-2'),
    ]


def test_the_table_is_csv_without_pyarrow(folder, tmp_path, monkeypatch):
    assert evaluate(folder, '-o', tmp_path / 'parquet') == 0
    monkeypatch.setitem(sys.modules, 'pyarrow', None)
    assert evaluate(folder, '-o', tmp_path / 'csv', '--repeat', 1) == 0
    assert (tmp_path / 'csv' / 'results.csv').exists()
    monkeypatch.undo()
    rows = [table_file.read_results(str(tmp_path / kind)) for kind in ('parquet', 'csv')]
    first, second = without_times(*rows)
    assert first == second


def test_the_schema_has_every_figure_and_the_documents_have_the_schema(folder, tmp_path):
    assert evaluate(folder / 'one', '--json', tmp_path / 'm.json') == 0
    metrics = json.loads((tmp_path / 'm.json').read_text())
    assert metrics.keys() <= {column.name for column in schema.COLUMNS}
    assert schema.markdown() in (ROOT / 'docs' / 'evaluation.md').read_text()


def row(name, **values):
    return {'sequence': name, 'status': 'done', 'ate_percent': 1.0, 'lost_s': 0.0, **values}


def test_equal_results_differ_in_nothing(folder, tmp_path, capsys):
    for name in 'ab':
        assert evaluate(folder, '-o', tmp_path / name) == 0
    capsys.readouterr()
    assert main.main(['compare', str(tmp_path / 'a'), str(tmp_path / 'b')]) == 0
    assert 'nothing is better or worse' in capsys.readouterr().out


def test_what_is_worse_is_named_first_and_costs_the_exit_code(tmp_path, capsys):
    a = [row(str(index)) for index in range(8)]
    b = [row(str(index), ate_percent=1.02 + 0.1 * (index == 3)) for index in range(8)]
    b[5]['lost_s'] = 4.0
    for name, rows in (('a', a), ('b', b)):
        (tmp_path / f'{name}.json').write_text(json.dumps(rows))
    files = [str(tmp_path / 'a.json'), str(tmp_path / 'b.json')]
    page = tmp_path / 'page.html'
    assert main.main(['compare', *files, '-o', str(page)]) == 1
    said = capsys.readouterr().out
    assert 'worse beyond the tolerance: 2 in 2 recordings\n  5: lost_s 0 -> 4' in said
    assert '3: ate_percent 1 -> 1.12' in said
    assert 'Worse: 2' in page.read_text()
    assert main.main(['compare', *files[::-1]]) == 0
    found = compare(a, b)
    (ate,) = [each for each in found.summaries if each.measure.name == 'ate_percent']
    assert (ate.worse, ate.better) == (8, 0)
    assert ate.probability == pytest.approx(2 / 2**8)
    assert ate.low <= ate.harm <= ate.high


def test_a_recording_that_fails_in_b_is_worse(tmp_path):
    a, b = [row('x'), row('y')], [row('x'), {'sequence': 'y', 'status': 'failed'}]
    found = compare(a, b)
    assert found.failed == ['y']
    for name, rows in (('a', a), ('b', b), ('c', a[:1])):
        (tmp_path / name).write_text(json.dumps(rows))
    assert main.main(['compare', str(tmp_path / 'a'), str(tmp_path / 'b')]) == 1
    assert main.main(['compare', str(tmp_path / 'a'), str(tmp_path / 'c')]) == 1


def test_a_recording_of_which_b_has_a_part_is_worse(tmp_path, capsys):
    a = [row('x', frames=100), row('y', frames=100), row('z', frames=5, status='damaged')]
    early = [row('x', frames=100), row('y', frames=5, status='damaged'), a[2]]
    short = [row('x', frames=90), a[1], a[2]]
    assert compare(a, early).failed == ['y']
    assert compare(early, a).recovered == ['y']
    assert compare(a, short).fewer_frames == ['x']
    # What is damaged in both alike is compared as any other.
    assert compare(a, [*a[:2], dict(a[2], ate_percent=9.0)]).worse(5.0)[0].sequence == 'z'
    for name, rows in (('a', a), ('early', early), ('short', short)):
        (tmp_path / name).write_text(json.dumps(rows))
    assert main.main(['compare', str(tmp_path / 'a'), str(tmp_path / 'early')]) == 1
    assert 'failed or ended early in B: y' in capsys.readouterr().out
    assert main.main(['compare', str(tmp_path / 'a'), str(tmp_path / 'short')]) == 1
    assert 'fewer frames in B: x' in capsys.readouterr().out
    assert main.main(['compare', str(tmp_path / 'short'), str(tmp_path / 'a')]) == 0


def test_a_change_within_the_spread_of_repeats_is_none():
    a = [row('x', repeat=i, ate_percent=value) for i, value in enumerate((0.8, 1.0, 1.2))]
    b = [row('x', repeat=i, ate_percent=value) for i, value in enumerate((1.0, 1.2, 1.4))]
    assert compare(a, b).worse(5.0) == []
    far = [dict(each, ate_percent=each['ate_percent'] + 1.0) for each in b]
    assert [change.sequence for change in compare(a, far).worse(5.0)] == ['x']


def test_a_measure_that_gets_lost_is_the_worst():
    found = compare([row('x'), row('y')], [row('x', ate_percent=None), row('y', ate_percent=9.0)])
    assert [change.sequence for change in found.worse(5.0)] == ['x', 'y']
    assert np.isinf(found.worse(5.0)[0].harm)


def test_folders_are_not_followed_in_circles(folder):
    os.symlink(folder, folder / 'again')
    assert [name for name, _ in named([folder])] == NAMES
    shutil.rmtree(folder / 'two')
    assert [name for name, _ in named([folder])] == NAMES[:2]
