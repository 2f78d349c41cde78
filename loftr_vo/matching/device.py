# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The device that the network runs on: its choice, its precision and its faults."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

_PRECISIONS = {
    'float32': torch.float32,
    'float16': torch.float16,
    'bfloat16': torch.bfloat16,
}
# Parts of PyTorch's messages for faults of the device; not every such error has its own type.
_DEVICE_FAULTS = ('cuda', 'cudnn', 'cublas', 'nvidia driver', 'nvrtc')
_MEMORY_FAULTS = ('out of memory', "can't allocate memory", 'not enough memory', 'alloc_failed')


class DeviceError(ValueError):
    """The requested device is not available; the message has the remedy."""


class DeviceLostError(RuntimeError):
    """The device failed while the network ran on it; the message has cause and remedy.

    Its results are lost. A new ``Matcher`` may work again; after some faults only a
    new process does.
    """


class DeviceMemoryError(DeviceLostError):
    """The device has too little free memory; the device itself still works."""


def resolve_device(name: str) -> torch.device:
    """Return the device for auto, cpu, cuda or cuda:N.

    Raises:
        DeviceError: it is not available.
    """
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f'unknown device {name!r}: use auto, cpu, cuda or cuda:N') from error
    if device.type == 'cuda':
        if not torch.cuda.is_available():
            raise DeviceError(
                f'device {name!r} is not available: {why_no_cuda()}; '
                'check nvidia-smi, or set matcher.device to auto or cpu'
            )
        if device.index is not None and device.index >= torch.cuda.device_count():
            raise DeviceError(
                f'device {name!r} is not there: {torch.cuda.device_count()} GPU(s) found'
            )
    elif device.type != 'cpu':
        raise DeviceError(f'device {name!r} is not supported: use auto, cpu, cuda or cuda:N')
    return device


def why_no_cuda() -> str:
    """Return why CUDA is not available, by PyTorch: not built in, no driver, too old a driver."""
    if not torch.backends.cuda.is_built():
        return 'this PyTorch was built without CUDA'
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return _first_line(error)
    return 'this PyTorch finds no usable GPU'


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type of a precision's name; auto is float16 on a GPU and float32 on a CPU."""
    if name == 'auto':
        return torch.float16 if device.type == 'cuda' else torch.float32
    return _PRECISIONS[name]


@contextlib.contextmanager
def device_faults(device: torch.device) -> Iterator[None]:
    """Convert PyTorch's errors of a failed device into ``DeviceLostError``.

    Raises:
        DeviceMemoryError: too little memory.
        DeviceLostError: any other fault of the device or its driver.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error).lower()
        if isinstance(error, MemoryError) or any(words in text for words in _MEMORY_FAULTS):
            raise DeviceMemoryError(
                f'out of memory on {device}: {_first_line(error)} '
                'Set a smaller matcher.image_size, or free memory on the device.'
            ) from error
        if any(words in text for words in _DEVICE_FAULTS):
            raise DeviceLostError(
                f'{device} failed: {_first_line(error)} '
                'Check nvidia-smi and the kernel log; start again, or set matcher.device to cpu.'
            ) from error
        raise


def _first_line(error: BaseException) -> str:
    """Return the first line of an error's message, as a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(' .') + '.'
