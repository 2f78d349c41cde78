# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What a run of the command leaves when a disk, a name or a signal comes in its way."""

import contextlib
import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
import tracemalloc

import cv2
import numpy as np
import pytest
import recordings

from loftr_vo.cli import main
from loftr_vo.datasets import DatasetError, open_sequence
from loftr_vo.evaluation import engine, report_folder
from loftr_vo.evaluation.interrupts import was_interrupted
from loftr_vo.evaluation.running import run_sequence
from loftr_vo.files.output_files import OutputError
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.matching.device import DeviceLostError
from loftr_vo.odometry.calibration.calibration_status import CalibrationStatus
from loftr_vo.odometry.estimate import Estimate, State

COUNT = len(recordings.STAMPS)


class StraightOdometry:
    """Says that the camera goes straight on; calls ``after`` with the number of each frame."""

    def __init__(self, after=lambda number: None):
        self.count = 0
        self.after = after
        self.calibration = CalibrationStatus()

    def track(self, frame):
        pose = np.eye(4)
        pose[0, 3] = self.count
        pose[1, 3] = np.sin(self.count)
        self.after(self.count)
        self.count += 1
        return Estimate(
            frame.stamp, State.TRACKING, '', pose, np.eye(6), calibration=self.calibration
        )


@pytest.fixture
def folder(tmp_path):
    return recordings.write_folder(tmp_path / 'walk')


@pytest.fixture
def use(monkeypatch):
    """Have the command run another odometry."""

    def use(odometry):
        made = engine.Engine(odometry, 'compact', 'cpu')
        monkeypatch.setattr(engine, 'make_engine', lambda settings, baseline: made)
        return odometry

    return use


def run(folder, output, *words):
    return main.main(['run', str(folder), '-o', str(output), *words])


def poses_in(path):
    return len(Trajectory.read_tum(path))


def test_poses_are_on_the_disk_while_the_run_goes_on(folder, tmp_path, use):
    part = tmp_path / 'out' / 'trajectory.txt.part'
    seen = []
    use(StraightOdometry(lambda number: seen.append(poses_in(part) if number else 0)))
    assert run(folder, tmp_path / 'out') == 0
    assert seen == list(range(COUNT))
    assert not part.exists()
    assert poses_in(tmp_path / 'out' / 'trajectory.txt') == COUNT


def test_what_grows_is_what_is_written_whole(folder, tmp_path, use):
    use(StraightOdometry())
    assert run(folder, tmp_path / 'out') == 0
    grown = tmp_path / 'out' / 'trajectory.txt'
    Trajectory.read_tum(grown).write_tum(tmp_path / 'whole.txt')
    assert grown.read_text() == (tmp_path / 'whole.txt').read_text()


def test_an_error_of_the_program_leaves_the_poses_and_names_them(folder, tmp_path, use, capsys):
    def fail(number):
        if number == 3:
            raise ZeroDivisionError('a fault in the program')

    use(StraightOdometry(fail))
    with pytest.raises(ZeroDivisionError):
        run(folder, tmp_path / 'out')
    part = tmp_path / 'out' / 'trajectory.txt.part'
    assert poses_in(part) == 3
    assert f'the poses so far are in {part}' in capsys.readouterr().err


def test_a_suspicious_calibration_is_said_and_reported(folder, tmp_path, use, capsys):
    odometry = use(StraightOdometry())
    odometry.calibration = CalibrationStatus(0.051, 0.006, 2.0, 3.0, 'calibration suspicious: x')
    assert run(folder, tmp_path / 'out') == 0
    assert 'loftr_vo: warning: calibration suspicious: x' in capsys.readouterr().err
    assert 'calibration suspicious: x' in (tmp_path / 'out' / 'report.html').read_text()
    metrics = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert metrics['focal_error_percent'] == pytest.approx(5.1)
    assert metrics['distortion_error_sigma_px'] == 3.0


def test_a_lost_device_leaves_a_report(folder, tmp_path, use, capsys):
    def fail(number):
        if number == 3:
            raise DeviceLostError('the device has failed')

    use(StraightOdometry(fail))
    assert run(folder, tmp_path / 'out') == 2
    assert poses_in(tmp_path / 'out' / 'trajectory.txt') == 3
    assert 'the device has failed' in capsys.readouterr().err
    assert (tmp_path / 'out' / 'report.html').exists()


@pytest.mark.parametrize('late', [10**30, recordings.STAMPS[1]])
def test_a_stamp_that_no_trajectory_holds_ends_the_run_and_not_the_results(folder, late):
    sequence = open_sequence(folder)
    sequence.stamps = [*sequence.stamps[:3], late, *sequence.stamps[4:]]
    result = run_sequence(sequence, StraightOdometry())
    assert result.frames == 3
    assert 'frame 3' in result.fault
    assert len(result.trajectory) == 3
    sequence.stamps[0] = 10**30
    with pytest.raises(DatasetError, match='frame 0 has a stamp of 1'):
        run_sequence(sequence, StraightOdometry())


@pytest.mark.parametrize('name', [r'$\frac{$', '$x_1$', r'a\$b$', '%(x)s {0}', '<b>&'])
def test_a_name_that_looks_like_a_formula_is_a_name(tmp_path, use, name):
    use(StraightOdometry())
    folder = recordings.write_folder(tmp_path / name)
    assert run(folder, tmp_path / 'out') == 0
    assert cv2.imread(str(tmp_path / 'out' / 'top_view.png')).std() > 5


@pytest.mark.parametrize('command', ['run', 'evaluate'])
def test_an_output_that_cannot_be_written_is_an_error_before_the_first_frame(
    folder, tmp_path, use, capsys, command
):
    odometry = use(StraightOdometry())
    (tmp_path / 'file').write_text('precious')
    (tmp_path / 'out').mkdir()
    os.mkfifo(tmp_path / 'out' / 'trajectory.txt')
    for output in ('file', 'out', 'file/below'):
        words = [command, str(folder), '-o', str(tmp_path / output)]
        assert main.main(words) == 2
        assert 'cannot write' in capsys.readouterr().err
    words = ['evaluate', str(folder), '--json', str(tmp_path / 'out')]
    assert main.main(words) == 2
    assert odometry.count == 0
    assert (tmp_path / 'file').read_text() == 'precious'
    assert os.listdir(tmp_path / 'out') == ['trajectory.txt']


def test_a_disk_that_fills_leaves_out_what_has_no_room_and_says_so(
    folder, tmp_path, use, monkeypatch, capsys
):
    use(StraightOdometry())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Smaller than the plot and the page, larger than the rest.
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        code = run(folder, tmp_path / 'out')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 2
    error = capsys.readouterr().err
    assert 'top_view.png' in error
    assert 'report.html' in error
    assert sorted(os.listdir(tmp_path / 'out')) == [
        'metrics.json',
        'settings.yaml',
        'status.csv',
        'trajectory.txt',
    ]
    assert poses_in(tmp_path / 'out' / 'trajectory.txt') == COUNT


def test_a_disk_that_is_full_amid_the_run_has_room_in_the_end(folder, tmp_path, use, monkeypatch):
    use(StraightOdometry())
    write = os.write

    def fail(descriptor, data):
        if b'1311868170' in bytes(data) and descriptor > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr('loftr_vo.files.growing_file.os.write', fail)
    assert run(folder, tmp_path / 'out') == 0
    assert poses_in(tmp_path / 'out' / 'trajectory.txt') == COUNT
    assert not (tmp_path / 'out' / 'trajectory.txt.part').exists()


def test_a_picture_that_cannot_be_drawn_costs_that_picture(
    folder, tmp_path, use, monkeypatch, capsys
):
    def fail(*_):
        raise RuntimeError('no such font')

    use(StraightOdometry())
    monkeypatch.setattr(report_folder, '_draw_top_view', fail)
    assert run(folder, tmp_path / 'out') == 2
    assert 'cannot make top_view.png: RuntimeError: no such font' in capsys.readouterr().err
    assert (tmp_path / 'out' / 'report.html').exists()
    assert json.loads((tmp_path / 'out' / 'metrics.json').read_text())['tracked'] == COUNT


def test_figures_that_cannot_be_written_cost_the_exit_code(folder, tmp_path, use, monkeypatch):
    def fail(path, values):
        raise OutputError(f'cannot write {path}: the disk is full')

    use(StraightOdometry())
    monkeypatch.setattr('loftr_vo.cli.evaluate.write_json', fail)
    assert main.main(['evaluate', str(folder), '--json', str(tmp_path / 'm.json')]) == 2


def test_the_folder_above_is_called_by_its_name(tmp_path, use, monkeypatch, capsys):
    recordings.write_folder(tmp_path / 'walk')
    inside = tmp_path / 'walk' / 'images'
    monkeypatch.chdir(inside)
    before = sorted(os.listdir(inside))
    use(StraightOdometry())
    assert main.main(['run', '..']) == 0
    assert sorted(os.listdir(inside)) == sorted([*before, 'results'])
    assert os.listdir(inside / 'results') == ['walk']
    assert 'results/walk/report.html' in capsys.readouterr().out


def test_a_run_keeps_little_of_each_frame(folder):
    sequence = open_sequence(folder)
    frame = next(iter(sequence))
    frames = 2000

    class Odometry(StraightOdometry):
        def track(self, frame):
            estimate = super().track(frame)
            # A view, which would keep all that it is a view of.
            poses = np.tile(np.eye(4), (100, 1, 1))
            return Estimate(self.count, estimate.state, '', poses[0], np.eye(6))

    class Endless:
        imu = None

        def __len__(self):
            return frames

        def __iter__(self):
            from dataclasses import replace

            return (replace(frame, stamp=stamp) for stamp in range(1, frames + 1))

    tracemalloc.start()
    result = run_sequence(Endless(), Odometry())
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.frames == frames
    assert held / frames < 1024


# The command in a process of its own, with an odometry that takes its time.
PROGRAM = """
import sys, time
sys.path.insert(0, {tests!r})
from test_results import StraightOdometry
from loftr_vo.cli import main
from loftr_vo.evaluation import engine

def wait(number):
    print('frame', number, flush=True)
    time.sleep(0.0 if number < 3 else {seconds})

engine.make_engine = lambda *_: engine.Engine(StraightOdometry(wait), 'compact', 'cpu')
sys.argv = ['loftr_vo', 'run', {folder!r}, '-o', {output!r}]
sys.exit(main.main())
"""


def start(folder, output, seconds=30):
    program = PROGRAM.format(
        tests=os.path.dirname(__file__), seconds=seconds, folder=str(folder), output=str(output)
    )
    process = subprocess.Popen(
        [sys.executable, '-c', program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line == 'frame 3\n':
            return process
    raise AssertionError(process.stderr.read())


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_amid_a_run_leaves_its_report(folder, tmp_path, number, code):
    process = start(folder, tmp_path / 'out')
    process.send_signal(number)
    _, error = process.communicate(timeout=180)
    assert process.returncode == code
    assert 'Traceback' not in error
    assert 'interrupted after 3 frames' in error
    assert poses_in(tmp_path / 'out' / 'trajectory.txt') == 3
    assert 'interrupted after 3 frames' in (tmp_path / 'out' / 'report.html').read_text()


def test_a_kill_loses_no_pose(folder, tmp_path):
    process = start(folder, tmp_path / 'out')
    process.kill()
    process.communicate(timeout=180)
    assert process.returncode == -signal.SIGKILL
    assert poses_in(tmp_path / 'out' / 'trajectory.txt.part') == 3


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_starting_leaves_no_traceback(number, code):
    for delay in np.linspace(0.05, 2.5, 8):
        process = subprocess.Popen(
            [
                sys.executable,
                '-c',
                'from loftr_vo.cli.main import main; print(flush=True); raise SystemExit(main())',
                'benchmark',
                '--rounds=1000',
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Before this line it is Python that starts, and not yet the command.
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(number)
        _, error = process.communicate(timeout=180)
        assert 'Traceback' not in error, (delay, error)
        assert process.returncode == code, (delay, error)
        assert 'interrupted' in error


def test_an_interrupt_that_a_library_swallows_still_ends_the_run(folder, tmp_path, use, capsys):
    def swallow(number):
        if number == 2:
            with contextlib.suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(1.0)

    use(StraightOdometry(swallow))
    assert run(folder, tmp_path / 'out') == 143
    assert poses_in(tmp_path / 'out' / 'trajectory.txt') == 3
    assert 'interrupted after 3 frames' in capsys.readouterr().err


def test_an_interrupt_that_a_library_renames_keeps_the_results(folder, tmp_path, use):
    def rename(number):
        if number == 2:
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1.0)
            except KeyboardInterrupt as error:
                raise RuntimeError('something went wrong') from error

    use(StraightOdometry(rename))
    assert run(folder, tmp_path / 'out') == 130
    assert poses_in(tmp_path / 'out' / 'trajectory.txt') == 2


def test_an_interrupt_amid_an_import_waits_for_it(folder, tmp_path, use, monkeypatch):
    (tmp_path / 'slow_module.py').write_text(
        'import os, signal, time\n'
        'os.kill(os.getpid(), signal.SIGTERM)\n'
        'time.sleep(0.2)\n'
        'complete = True\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    seen = []

    def load(number):
        if number == 2:
            import slow_module

            seen.append(slow_module.complete)
            time.sleep(1.0)

    use(StraightOdometry(load))
    assert run(folder, tmp_path / 'out') == 143
    assert seen == [True]
    assert poses_in(tmp_path / 'out' / 'trajectory.txt') == 2


def test_signals_are_as_before_once_the_command_is_done(folder, tmp_path, use):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    use(StraightOdometry())
    assert run(folder, tmp_path / 'out') == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert not was_interrupted()
