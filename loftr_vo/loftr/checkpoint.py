# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Loads a network from a checkpoint: complete, finite, of the right shapes, no pickled code."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from loftr_vo.files.regular_file import open_regular
from loftr_vo.loftr.config import LoFTRConfig
from loftr_vo.loftr.model import LoFTR

# Bytes of a file of weights; those published have 46 million.
LARGEST = 1 << 30


class WeightsError(RuntimeError):
    """Weights cannot be loaded or do not fit; the message has cause and remedy."""


def load_checkpoint(path: Path) -> LoFTR:
    """Return the network in a checkpoint, ours or a published one.

    Raises:
        WeightsError: it is damaged, is no checkpoint, or does not fit.
    """
    _check_file(path)
    checkpoint = _read(path)
    return _build(_state_of(checkpoint, path), _config_of(checkpoint, path), path)


def _check_file(path: Path) -> None:
    """Reject a file that is too large or damaged by its own checksums."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
        if size > LARGEST:
            raise WeightsError(f'{path} has {size} bytes, more than any weights ({LARGEST})')
        # PyTorch does not check them.
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
                raise WeightsError(f'{path} unpacks to more than {LARGEST} bytes')
            damaged = archive.testzip()
    except OSError as error:
        raise WeightsError(f'cannot read {path}: {error.strerror or error}') from error
    # zipfile raises errors of many types for damaged structures.
    except Exception as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f'{path} is not a checkpoint of tensors: {error}') from error
    if damaged is not None:
        raise WeightsError(
            f'{path} is damaged: {damaged} in it does not fit its checksum; get it anew'
        )


def _config_of(checkpoint: Mapping[str, Any], path: Path) -> LoFTRConfig:
    """Return the config that a checkpoint carries, or that of the published one it must be."""
    if 'config' in checkpoint:
        try:
            return LoFTRConfig.from_dict(checkpoint['config'])
        except (TypeError, ValueError) as error:
            raise WeightsError(f'the config in {path} is not of this version: {error}') from error
    corrected = any(part in path.name for part in ('indoor_ds_new', 'indoor_new'))
    return LoFTRConfig.indoor_new() if corrected else LoFTRConfig.outdoor()


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with open_regular(path) as file:
            checkpoint = torch.load(file, map_location='cpu', weights_only=True)
    # An unpickler raises errors of many types for bytes that are no pickle.
    except Exception as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f'{path} is not a checkpoint of tensors ({first_line}); '
            "save it with torch.save({'state_dict': model.state_dict()}, path)"
        ) from error
    if not isinstance(checkpoint, Mapping):
        raise WeightsError(f'{path} holds a {type(checkpoint).__name__}, not a state dict')
    return checkpoint


def _state_of(checkpoint: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    state = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise WeightsError(f'{path} holds no state dict: a mapping of names to tensors')
    short = {key.removeprefix('matcher.'): value for key, value in state.items()}
    if len(short) < len(state):
        raise WeightsError(f'{path} holds the same names with and without "matcher."')
    return short


def _build(state: Mapping[str, Tensor], config: LoFTRConfig, path: Path) -> LoFTR:
    # On the meta device, without memory: a config may describe a network too large to allocate.
    with torch.device('meta'):
        expected = LoFTR(config).state_dict()
    faults = {
        'missing': expected.keys() - state.keys(),
        'unexpected': state.keys() - expected.keys(),
        'of another shape': {
            key
            for key in expected.keys() & state.keys()
            if expected[key].shape != state[key].shape
        },
    }
    if any(faults.values()):
        listed = '; '.join(f'{kind}: {_shortened(keys)}' for kind, keys in faults.items() if keys)
        raise WeightsError(
            f'{path} does not fit the architecture: {listed}. '
            'It takes LoFTR with dual softmax (ds), as published, or trained by loftr_vo.'
        )
    _check_values(state, expected, path)
    model = LoFTR(config)
    model.load_state_dict(state, strict=True)
    return model


def _check_values(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> None:
    """Reject values that would invalidate every match, or not load."""
    kinds = ('of another kind', 'not finite', 'negative')
    faults: dict[str, set[str]] = {kind: set() for kind in kinds}
    for key, value in state.items():
        plain = value.device.type == 'cpu' and value.layout == torch.strided
        same = value.is_floating_point() == expected[key].is_floating_point()
        if not plain or not same or value.is_quantized or value.is_complex():
            faults['of another kind'].add(key)
        elif not torch.isfinite(value).all():
            faults['not finite'].add(key)
        elif key.endswith('running_var') and (value < 0).any():
            faults['negative'].add(key)
    if any(faults.values()):
        listed = '; '.join(f'{kind}: {_shortened(keys)}' for kind, keys in faults.items() if keys)
        raise WeightsError(f'{path} holds values that no weights have: {listed}; get it anew')


def _shortened(keys: Iterable[str], shown: int = 3) -> str:
    names = sorted(keys)
    more = f' and {len(names) - shown} more' if len(names) > shown else ''
    return ', '.join(names[:shown]) + more
