# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Devices and precisions: found, refused, lost."""

import numpy as np
import pytest
import torch

from loftr_vo.config import MatcherSettings
from loftr_vo.loftr.fast import FastLoFTR
from loftr_vo.matching.device import (
    DeviceError,
    DeviceLostError,
    DeviceMemoryError,
    device_faults,
    resolve_device,
    resolve_precision,
)
from loftr_vo.matching.matcher import Matcher

CUDA = torch.device('cuda:0')


def test_auto_takes_what_is_there():
    expected = 'cuda' if torch.cuda.is_available() else 'cpu'
    assert resolve_device('auto').type == expected
    assert resolve_device('cpu') == torch.device('cpu')


@pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a CUDA device')
@pytest.mark.parametrize('name', ['cuda', 'cuda:0', 'cuda:3'])
def test_cuda_where_there_is_none_is_an_error_that_says_what_to_do(name):
    with pytest.raises(DeviceError, match=r"'cuda.*nvidia-smi.*matcher\.device"):
        resolve_device(name)
    with pytest.raises(DeviceError):
        Matcher(MatcherSettings(device=name))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_a_gpu_that_is_not_there_is_an_error():
    with pytest.raises(DeviceError, match='GPU'):
        resolve_device(f'cuda:{torch.cuda.device_count()}')


@pytest.mark.parametrize('name', ['gpu', 'meta', 'cuda:x', '', 'mps'])
def test_an_unknown_device_is_an_error_that_names_the_known(name):
    with pytest.raises(DeviceError, match='auto, cpu, cuda or cuda:N'):
        resolve_device(name)


def test_auto_precision_depends_on_the_device():
    cpu, cuda = torch.device('cpu'), torch.device('cuda')
    assert resolve_precision('auto', cpu) == torch.float32
    assert resolve_precision('auto', cuda) == torch.float16
    assert resolve_precision('bfloat16', cpu) == torch.bfloat16
    assert resolve_precision('float32', cuda) == torch.float32


@pytest.mark.parametrize(
    ('error', 'kind', 'advice'),
    [
        (torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB'), 'memory', 'size'),
        (RuntimeError('CUDA error: out of memory'), 'memory', 'image_size'),
        (RuntimeError('cuDNN error: CUDNN_STATUS_ALLOC_FAILED'), 'memory', 'image_size'),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 'memory', 'image_size'),
        (MemoryError(), 'memory', 'image_size'),
        (RuntimeError('CUDA error: unspecified launch failure\nmore'), 'lost', 'nvidia-smi'),
        (RuntimeError('The NVIDIA driver on your system is too old'), 'lost', 'nvidia-smi'),
        (RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED'), 'lost', 'nvidia-smi'),
    ],
)
def test_faults_of_the_device_have_a_type_and_advice(error, kind, advice):
    with pytest.raises(DeviceLostError, match=advice) as caught, device_faults(CUDA):
        raise error
    assert isinstance(caught.value, DeviceMemoryError) == (kind == 'memory')
    assert caught.value.__cause__ is error
    assert '\n' not in str(caught.value)


def test_faults_of_the_code_stay_what_they_are():
    with pytest.raises(RuntimeError, match='sizes of tensors') as caught, device_faults(CUDA):
        raise RuntimeError('The sizes of tensors must match')
    assert not isinstance(caught.value, DeviceLostError)


@pytest.mark.parametrize('stage', ['encode', 'match'])
def test_a_device_lost_in_mid_run_is_said_where_the_result_is_asked_for(stage, monkeypatch):
    def fail(*_):
        raise RuntimeError('CUDA error: device lost')

    picture = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    matcher = Matcher(MatcherSettings(device='cpu'))
    monkeypatch.setattr(FastLoFTR, stage, fail)
    encoded = matcher.encode(picture)
    pending = matcher.match(encoded, encoded)
    with pytest.raises(DeviceLostError, match='device lost'):
        pending.result()
    monkeypatch.undo()
    encoded = matcher.encode(picture)
    matcher.match(encoded, encoded).result()
