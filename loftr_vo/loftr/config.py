# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The sizes and constants of a LoFTR, and those of the published checkpoints."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Wide bounds around published and tried networks (docs/training.md): a checkpoint from elsewhere
# may describe ten million layers, which would never finish building.
_RANGES: dict[str, tuple[type, float, float]] = {
    'coarse_heads': (int, 1, 64),
    'coarse_pairs': (int, 1, 16),
    'fine_heads': (int, 1, 64),
    'fine_pairs': (int, 1, 16),
    'window': (int, 1, 11),
    'temperature': (float, 1e-6, 1e6),
    'threshold': (float, 0.0, 1.0),
    'border': (int, 0, 64),
    'correlation_hidden': (int, 0, 1024),
}


@dataclass(frozen=True)
class LoFTRConfig:
    """What a LoFTR is built from; the defaults are those of Sun et al., CVPR 2021 (outdoor).

    Attributes:
        block_dims: channels of the backbone at 1/2, 1/4 and 1/8 of the picture. The first is also
            the width of its stem and of the fine transformer, the last that of the coarse one.
        coarse_heads: attention heads of the coarse transformer.
        coarse_pairs: how many times it alternates self- and cross-attention.
        fine_heads: attention heads of the fine transformer.
        fine_pairs: how many times it alternates self- and cross-attention.
        window: side of a fine window, in cells of the 1/2 map; odd.
        temperature: of the dual softmax.
        threshold: a coarse match is kept if its confidence is larger.
        border: coarse cells along the edges of both pictures in which no match is kept.
        corrected_position_encoding: False for the frequencies of the first release (outdoor and
            indoor were trained with them), True for those of the paper.
        align_corners: how the backbone's maps are enlarged, see ``backbone.upsampled``; True in
            all published networks.
        correlation_hidden: width of the hidden layers that correct the fine offsets, see
            ``CorrelationHead``; 0 for no correction, as in all published networks.

    Raises:
        ValueError: sizes that do not fit together.
    """

    block_dims: tuple[int, int, int] = (128, 196, 256)
    coarse_heads: int = 8
    coarse_pairs: int = 4
    fine_heads: int = 8
    fine_pairs: int = 1
    window: int = 5
    temperature: float = 0.1
    threshold: float = 0.2
    border: int = 2
    corrected_position_encoding: bool = False
    align_corners: bool = True
    correlation_hidden: int = 0

    def __post_init__(self) -> None:
        self._check_ranges()
        for name, dim, heads in (
            ('coarse', self.coarse_dim, self.coarse_heads),
            ('fine', self.fine_dim, self.fine_heads),
        ):
            if dim % heads:
                raise ValueError(f'{name} width {dim} is not a multiple of {heads} heads')
        if self.coarse_dim % 4:
            raise ValueError(f'coarse width {self.coarse_dim} is not a multiple of 4')
        if self.window % 2 == 0:
            raise ValueError(f'window must be odd, to have a centre; got {self.window}')

    def _check_ranges(self) -> None:
        """Reject implausible sizes before a network of that size is built."""
        if not isinstance(self.block_dims, tuple) or len(self.block_dims) != 3:
            raise ValueError(f'block_dims must be three widths, got {self.block_dims!r}')
        for width in self.block_dims:
            _check_range('a width in block_dims', width, int, 1, 1024)
        for name, (kind, least, most) in _RANGES.items():
            _check_range(name, getattr(self, name), kind, least, most)
        for name in ('corrected_position_encoding', 'align_corners'):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f'{name} must be true or false, got {getattr(self, name)!r}')

    @property
    def coarse_dim(self) -> int:
        """Width of the coarse tokens."""
        return self.block_dims[-1]

    @property
    def fine_dim(self) -> int:
        """Width of the fine tokens."""
        return self.block_dims[0]

    @classmethod
    def outdoor(cls) -> LoFTRConfig:
        """Return the architecture of ``outdoor_ds``, trained on MegaDepth."""
        return cls()

    @classmethod
    def indoor(cls) -> LoFTRConfig:
        """Return the architecture of ``indoor_ds``, trained on ScanNet."""
        return cls()

    @classmethod
    def indoor_new(cls) -> LoFTRConfig:
        """Return the architecture of ``indoor_ds_new``: the corrected position encoding."""
        return cls(corrected_position_encoding=True)

    @classmethod
    def compact(cls) -> LoFTRConfig:
        """Return the small architecture whose weights are part of this package."""
        return cls(
            block_dims=(16, 32, 64),
            coarse_heads=4,
            coarse_pairs=2,
            fine_heads=4,
            border=1,
            corrected_position_encoding=True,
            align_corners=False,
            correlation_hidden=64,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python values, for a checkpoint."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LoFTRConfig:
        """Return the config that ``to_dict`` wrote; networks from before the head have none.

        Raises:
            ValueError: a field is missing or unknown.
        """
        values = {'correlation_hidden': 0, **values}
        fields = {field.name for field in dataclasses.fields(cls)}
        missing, unknown = sorted(fields - set(values)), sorted(set(values) - fields)
        if missing or unknown:
            raise ValueError(
                f'not the fields of a LoFTRConfig: missing {missing}, unknown {unknown}'
            )
        return cls(**{**values, 'block_dims': tuple(values['block_dims'])})


def _check_range(name: str, value: Any, kind: type, least: float, most: float) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = whole or (kind is float and isinstance(value, float))
    # Not a number is in no range.
    if not fits or not least <= value <= most:
        what = 'a whole number' if kind is int else 'a number'
        raise ValueError(f'{name} must be {what} from {least:g} to {most:g}, got {value!r:.40}')
