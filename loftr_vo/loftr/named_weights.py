# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The names of weights: what each is, where it is published, and where its file is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch

from loftr_vo.loftr.checkpoint import WeightsError
from loftr_vo.loftr.config import LoFTRConfig


@dataclass(frozen=True)
class Published:
    """Weights that the authors of LoFTR publish.

    Attributes:
        file: its name.
        config: makes the architecture.
        sha256: of the authors' file as kornia distributes it, by the records of several public
            projects, which agree; None where no record was found.
    """

    file: str
    config: Callable[[], LoFTRConfig]
    sha256: str | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        """Addresses to download the file from, the preferred one first."""
        return (
            f'https://huggingface.co/kornia/loftr/resolve/main/{self.file}',
            f'https://cmp.felk.cvut.cz/~mishkdmy/models/{self.file}',
        )


PUBLISHED = {
    'outdoor': Published(
        'loftr_outdoor.ckpt',
        LoFTRConfig.outdoor,
        '21f5bec5968178e8bc8b7633441836fe5de4f47d861dd2cd7dc38e271b0479ec',
    ),
    'indoor': Published('loftr_indoor.ckpt', LoFTRConfig.indoor),
    'indoor_new': Published(
        'loftr_indoor_ds_new.ckpt',
        LoFTRConfig.indoor_new,
        'be9ff88b323ec27889114719f668ae41aff7034b56a4c4acbd46b8b180b87ed3',
    ),
}

ARCHITECTURES: dict[str, Callable[[], LoFTRConfig]] = {
    'compact': LoFTRConfig.compact,
    **{name: published.config for name, published in PUBLISHED.items()},
}


def weights_path(name: str) -> Path:
    """Return where the file of named weights is, or would be."""
    if name in PUBLISHED:
        cache = os.environ.get('LOFTR_VO_CACHE') or Path(torch.hub.get_dir(), 'loftr_vo')
        return Path(cache).expanduser() / PUBLISHED[name].file
    return Path(str(resources.files('loftr_vo'))) / 'weights' / f'{name}.pt'


def check_name(name: str) -> None:
    """Make sure that there are weights of this name.

    Raises:
        WeightsError: there are none.
    """
    if name not in ARCHITECTURES:
        raise WeightsError(
            f'there are no weights called {name!r}; there are {", ".join(ARCHITECTURES)}'
        )


def remedy(name: str) -> str:
    """Return what to do where the file of named weights is missing or wrong."""
    if name in PUBLISHED:
        return f'get it with: loftr_vo weights download {name}'
    return 'install loftr_vo anew, whose part it is'
