# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What follows convolutions, in Triton against plain PyTorch; interpreted without a GPU."""

import pytest
import torch

pytest.importorskip('triton', reason='there is no Triton')

from loftr_vo.loftr.backbone import upsampled
from loftr_vo.loftr.fast.fused.maps import TritonKernels
from loftr_vo.loftr.fast.kernels import choose_kernels
from loftr_vo.loftr.fast.torch_kernels import Convolution, CudnnKernels, Kernels

DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.inference_mode():
        torch.manual_seed(0)
        yield


def random_maps(dtype, *shape):
    maps = torch.randn(shape).to(DEVICE, dtype)
    return maps.contiguous(memory_format=torch.channels_last)


def random_convolution(dtype, inputs, outputs, bias):
    weight = random_maps(dtype, outputs, inputs, 3, 3)
    return Convolution(weight, torch.randn(outputs).to(DEVICE, dtype) if bias else None)


@pytest.mark.parametrize('dtype', [torch.float16, torch.float32])
@pytest.mark.parametrize('bias', [True, False])
def test_leaky_relu(dtype, bias):
    x, by = random_maps(dtype, 2, 8, 9, 11), random_convolution(dtype, 8, 24, bias)
    fused, plain = (each.convolve(x, by, 'leaky_relu') for each in (TritonKernels(), Kernels()))
    tolerance = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(fused, plain, atol=tolerance, rtol=tolerance)
    assert (plain < 0).any() and (plain > 0).any()


@pytest.mark.parametrize('dtype', [torch.float16, torch.float32])
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize(('batch', 'height', 'width'), [(1, 5, 7), (2, 4, 3), (1, 1, 2)])
def test_a_coarser_map_is_enlarged_and_added(dtype, aligned, batch, height, width):
    x = random_maps(dtype, batch, 8, 2 * height, 2 * width)
    coarser, by = random_maps(dtype, batch, 24, height, width), random_convolution(dtype, 8, 24, 0)
    fused, plain = (
        each.convolve_and_enlarge(x, by, coarser, aligned) for each in (TritonKernels(), Kernels())
    )
    tolerance = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(fused, plain, atol=tolerance, rtol=tolerance)
    without = Kernels().convolve(x, by)
    assert not torch.allclose(plain, without, atol=0.1)
    assert torch.allclose(plain - without, upsampled(coarser, aligned), atol=100 * tolerance)


def test_maps_in_another_order_are_refused():
    maps = torch.zeros(1, 8, 4, 4, device=DEVICE)
    weight = torch.zeros(8, 8, 1, 1, device=DEVICE)
    with pytest.raises(ValueError, match='channels-last'):
        TritonKernels().convolve_and_enlarge(maps, Convolution(weight, None), maps, False)


@pytest.mark.gpu
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_they_are_taken_on_a_gpu(dtype):
    assert isinstance(choose_kernels(DEVICE, dtype), TritonKernels)


@pytest.mark.gpu
def test_without_triton_those_of_cudnn_are_taken(monkeypatch):
    def fail(*_):
        raise RuntimeError('no compiler')

    monkeypatch.setattr(TritonKernels, 'convolve', fail)
    assert type(choose_kernels(DEVICE, torch.float16)) is CudnnKernels
