# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Convolutions and linear layers with fused epilogues, in the fastest implementation available.

``Kernels`` says what is computed, with plain PyTorch. Its subclasses compute the same with one
call where PyTorch needs several: each pass over the memory that is spared counts as much as
arithmetic does, in a network as narrow as this.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from loftr_vo.loftr.fast.torch_kernels import Convolution, CudnnKernels, Kernels, OneDnnKernels


def choose_kernels(device: torch.device, dtype: torch.dtype) -> Kernels:
    """Return the fastest kernels that work here; each is first compared with the plain ones.

    Fused operators are not part of PyTorch's public interface, so a release may lack them.
    """
    candidates: list[Callable[[], Kernels]] = []
    if device.type == 'cpu' and dtype == torch.float32:
        candidates = [OneDnnKernels]
    elif device.type == 'cuda':
        candidates = [_triton_kernels, CudnnKernels]
    for candidate in candidates:
        try:
            kernels = candidate()
            if _agree(kernels, device, dtype):
                return kernels
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # Triton's have types of their own
            logging.getLogger(__name__).info('not used: %s', error)
    return Kernels()


def _triton_kernels() -> Kernels:
    from loftr_vo.loftr.fast.fused.maps import TritonKernels

    return TritonKernels()


def _agree(kernels: Kernels, device: torch.device, dtype: torch.dtype) -> bool:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    by = Convolution(random(16, 8, 3, 3), random(16))
    by = by._replace(weight=by.weight.contiguous(memory_format=torch.channels_last))
    image, residual = (
        random(1, channels, 6, 6).contiguous(memory_format=torch.channels_last)
        for channels in (8, 16)
    )
    rows, weight, bias = random(5, 8), random(16, 8), random(16)
    coarser = random(1, 16, 3, 3).contiguous(memory_format=torch.channels_last)

    def answers(each: Kernels) -> list[Tensor]:
        return [
            *(
                each.convolve(image, by, activation, added)
                for activation in ('none', 'relu')
                for added in (None, residual)
            ),
            each.convolve(image, by, 'leaky_relu'),
            *(
                each.convolve_and_enlarge(image, by._replace(bias=None), coarser, aligned)
                for aligned in (False, True)
            ),
            each.linear(rows, weight, bias, 'relu'),
            each.normalise(rows - rows.mean(dim=1, keepdim=True)),
            each.feature_map(rows),
        ]

    with torch.inference_mode():
        ours, plain = answers(kernels), answers(Kernels())
    tolerance = 100 * torch.finfo(dtype).eps
    return all(
        torch.allclose(answer, expected, rtol=tolerance, atol=tolerance)
        for answer, expected in zip(ours, plain, strict=True)
    )
