# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The profile of a streamed frame: counts and tables of a profiler's events."""

from types import SimpleNamespace

import pytest
import torch
from torch.autograd import DeviceType

from experiments.profiling import (
    STAGES,
    busiest,
    host_calls,
    main,
    report,
    waits,
)


def on_host(name, start, end):
    return SimpleNamespace(
        name=name,
        device_type=DeviceType.CPU,
        time_range=SimpleNamespace(start=start, end=end),
        self_device_time_total=0.0,
    )


def on_device(name, start, end):
    event = on_host(name, start, end)
    event.device_type, event.self_device_time_total = DeviceType.CUDA, end - start
    return event


# Two frames, in microseconds.
EVENTS = [
    on_host('encode', 0, 100),
    on_host('cudaMemcpyAsync', 10, 15),
    on_host('aten::copy_', 9, 16),
    on_host('cudaGraphLaunch', 50, 60),
    on_host('match', 100, 150),
    on_host('cudaGraphLaunch', 100, 140),
    on_host('result', 150, 400),
    on_host('cudaEventSynchronize', 151, 390),
    on_host('cudaStreamSynchronize', 391, 395),
    on_host('encode', 1000, 1100),
    on_host('cudaGraphLaunch', 1050, 1060),
    on_host('cudaDeviceSynchronize', 1200, 1300),
    on_device('encode', 20, 250),
    on_device('convolution', 60, 160),
    on_device('softmax', 160, 360),
    on_device('convolution', 1060, 1560),
    on_device('cuda_named_kernel', 20, 21),
]


def test_what_the_host_asks_of_cuda_is_counted_by_stage():
    assert host_calls(EVENTS, 'encode') == {'cudaMemcpyAsync': 1, 'cudaGraphLaunch': 2}
    assert host_calls(EVENTS, 'match') == {'cudaGraphLaunch': 1}
    assert host_calls(EVENTS, 'elsewhere') == {}


def test_waits_are_the_calls_that_synchronise():
    assert [waits(EVENTS, stage) for stage in STAGES] == [0, 0, 2]


def test_kernels_are_named_by_the_time_that_they_take_in_all():
    assert busiest(EVENTS) == [
        ('convolution', 2, pytest.approx(0.6)),
        ('softmax', 1, pytest.approx(0.2)),
        ('cuda_named_kernel', 1, pytest.approx(0.001)),
    ]


def test_report_has_the_stages_all_kernels_and_as_many_of_them_as_asked_for():
    lines = report(EVENTS * 20, rows=1).splitlines()
    assert lines[0] == 'encode: 0 waits a frame; cudaMemcpyAsync 1, cudaGraphLaunch 2'
    assert lines[2].startswith('result: 2 waits a frame')
    assert [line.split() for line in lines[-2:]] == [
        ['0.8010', '4.0', 'all'],
        ['0.6000', '2.0', 'convolution'],
    ]


def refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_a_cpu_is_refused(capsys):
    assert 'a profile needs a CUDA device, got --device cpu' in refused(
        ['--device', 'cpu'], capsys
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a CUDA device')
@pytest.mark.parametrize(('device', 'words'), [('auto', 'needs a CUDA'), ('cuda', 'nvidia-smi')])
def test_where_there_is_no_cuda_it_says_why(device, words, capsys):
    assert words in refused(['--device', device], capsys)


@pytest.mark.gpu
def test_a_frame_is_profiled_and_its_match_waits_for_nothing(capsys):
    main(['--width', '160', '--height', '120'])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(':')[0] for line in lines[:3]] == list(STAGES)
    encode, match, result = (int(line.split()[1]) for line in lines[:3])
    assert encode <= 1  # staging memory is asked whether it is free
    assert (match, result) == (0, 1)
    assert float(lines[5].split()[0]) > 0


@pytest.mark.gpu
def test_a_picture_too_small_is_refused(capsys):
    assert 'too small to match' in refused(['--width', '16', '--height', '16'], capsys)
