# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""LoFTR (Sun et al., CVPR 2021): dense matches of two pictures without a corner detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from loftr_vo.loftr.backbone import ResNetFPN
from loftr_vo.loftr.coarse_matching import (
    CoarseMatches,
    inside_border,
    select_matches,
    similarity,
)
from loftr_vo.loftr.config import LoFTRConfig
from loftr_vo.loftr.correlation_head import CorrelationHead
from loftr_vo.loftr.fine_matching import FinePreprocess, cut_windows, expected_offset
from loftr_vo.loftr.position_encoding import position_encoding
from loftr_vo.loftr.transformer import LocalFeatureTransformer

if TYPE_CHECKING:
    from loftr_vo.matching.matches import Matches

COARSE_STRIDE = 8
FINE_STRIDE = 2


class Features(NamedTuple):
    """Feature maps of the backbone; they depend on no other picture and can be cached.

    Attributes:
        coarse: (B, C, H/8, W/8).
        fine: (B, Cf, H/2, W/2).
    """

    coarse: Tensor
    fine: Tensor


class RawMatches(NamedTuple):
    """The K most confident matches of each pair of a batch, the valid ones first.

    Attributes:
        cells0: (B, K) int64, row-major coarse cell in the first picture.
        cells1: (B, K) int64, row-major coarse cell in the second picture.
        confidence: (B, K) float32 in [0, 1].
        valid: (B, K) bool; the other rows are padding.
        keypoints1: (B, K, 2) float32, x and y in the second picture, in pixels.
        spread: (B, K) float32, standard deviation of ``keypoints1`` in pixels; see ``refine``.
    """

    cells0: Tensor
    cells1: Tensor
    confidence: Tensor
    valid: Tensor
    keypoints1: Tensor
    spread: Tensor


def cell_position(cells: Tensor, cells_per_row: int) -> Tensor:
    """Return x and y, (..., 2) float32 in pixels, of row-major coarse cells (...)."""
    xy = torch.stack([cells % cells_per_row, cells // cells_per_row], dim=-1)
    return (xy * COARSE_STRIDE).float()


class LoFTR(nn.Module):
    """The whole network.

    The parts can be called one by one, so that the features of a picture are computed once
    (``encode``) and matched with many others (``condition``, ``select``, ``refine``), and so that
    training can supervise each of them.

    Masks, where given, are (B, H/8, W/8) bool, False at coarse cells that are padding.

    Args:
        config: sizes and constants.
    """

    def __init__(self, config: LoFTRConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = ResNetFPN(config.block_dims, config.align_corners)
        self.loftr_coarse = LocalFeatureTransformer(
            config.coarse_dim, config.coarse_heads, config.coarse_pairs
        )
        self.fine_preprocess = FinePreprocess(config.coarse_dim, config.fine_dim)
        self.loftr_fine = LocalFeatureTransformer(
            config.fine_dim, config.fine_heads, config.fine_pairs
        )
        self.correlation_head = (
            CorrelationHead(config.window, config.correlation_hidden)
            if config.correlation_hidden
            else None
        )

    def encode(self, images: Tensor) -> Features:
        """Return the features of grey pictures.

        Args:
            images: (B, 1, H, W) in [0, 1], H and W multiples of 8.

        Raises:
            ValueError: another shape.
        """
        if images.ndim != 4 or images.shape[1] != 1 or images.shape[2] % 8 or images.shape[3] % 8:
            raise ValueError(
                'pictures must be (B, 1, H, W) with H and W multiples of 8, '
                f'got {tuple(images.shape)}; pad them with zeros on the right and below'
            )
        return Features(*self.backbone(images))

    def condition(
        self,
        features0: Features,
        features1: Features,
        mask0: Tensor | None = None,
        mask1: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the coarse tokens of both pictures, (B, L, C) and (B, S, C), row-major."""
        return self.loftr_coarse(
            self._tokens(features0.coarse),
            self._tokens(features1.coarse),
            None if mask0 is None else mask0.flatten(1),
            None if mask1 is None else mask1.flatten(1),
        )

    def _tokens(self, coarse: Tensor) -> Tensor:
        channels, height, width = coarse.shape[1:]
        encoding = position_encoding(
            channels,
            height,
            width,
            corrected=self.config.corrected_position_encoding,
            device=coarse.device,
        )
        return (coarse + encoding.to(coarse.dtype)).flatten(2).transpose(1, 2).contiguous()

    def similarity(
        self,
        tokens0: Tensor,
        tokens1: Tensor,
        mask0: Tensor | None = None,
        mask1: Tensor | None = None,
    ) -> Tensor:
        """Return the logits of the dual softmax, (B, L, S) float32."""
        return similarity(tokens0, tokens1, self.config.temperature, mask0, mask1)

    def select(
        self,
        logits: Tensor,
        features0: Features,
        features1: Features,
        mask0: Tensor | None = None,
        mask1: Tensor | None = None,
        max_matches: int = 2048,
    ) -> CoarseMatches:
        """Select coarse matches by the ``logits`` of ``similarity``."""
        return select_matches(
            logits,
            inside_border(features0.coarse, self.config.border, mask0),
            inside_border(features1.coarse, self.config.border, mask1),
            self.config.threshold,
            max_matches,
        )

    def fine_windows(
        self,
        features0: Features,
        features1: Features,
        tokens0: Tensor,
        tokens1: Tensor,
        cells0: Tensor,
        cells1: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the fine windows of coarse matches, conditioned on each other.

        Args:
            features0: of the first pictures.
            features1: of the second pictures.
            tokens0: (B, L, C), of ``condition``.
            tokens1: (B, S, C), of ``condition``.
            cells0: (B, K) int64, row-major coarse cells of the first pictures.
            cells1: (B, K) int64, their matches in the second.

        Returns:
            (B K, window^2, Cf) each.
        """
        windows0, windows1 = (
            self.fine_preprocess(
                cut_windows(features.fine, cells, self.config.window, features.coarse.shape[3]),
                tokens,
                cells,
            ).flatten(0, 1)
            for features, tokens, cells in (
                (features0, tokens0, cells0),
                (features1, tokens1, cells1),
            )
        )
        return self.loftr_fine(windows0, windows1)

    def refine(
        self,
        features0: Features,
        features1: Features,
        tokens0: Tensor,
        tokens1: Tensor,
        cells0: Tensor,
        cells1: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Refine coarse matches in the second picture; see ``fine_windows`` for the arguments.

        Returns:
            (B, K, 2) float32, from the position of ``cells1`` to the match, in pixels; and (B, K)
            float32, its spread in pixels: the heatmap's standard deviation or, where there is a
            ``CorrelationHead``, the expected distance from the truth.
        """
        windows = self.fine_windows(features0, features1, tokens0, tokens1, cells0, cells1)
        offset, spread = expected_offset(*windows)
        if self.correlation_head is not None:
            offset, spread = self.correlation_head(*windows, offset, spread)
        return (
            offset.unflatten(0, cells0.shape) * FINE_STRIDE,
            spread.unflatten(0, cells0.shape) * FINE_STRIDE,
        )

    def forward(
        self,
        image0: Tensor,
        image1: Tensor,
        mask0: Tensor | None = None,
        mask1: Tensor | None = None,
        max_matches: int = 2048,
    ) -> RawMatches:
        """Match pictures, (B, 1, H0, W0) with (B, 1, H1, W1), in [0, 1], sides multiples of 8."""
        return self.match_features(
            self.encode(image0), self.encode(image1), mask0, mask1, max_matches
        )

    def match_features(
        self,
        features0: Features,
        features1: Features,
        mask0: Tensor | None = None,
        mask1: Tensor | None = None,
        max_matches: int = 2048,
        *,
        fixed_size: bool = True,
    ) -> RawMatches:
        """Match pictures by their features.

        Args:
            features0: of the first pictures.
            features1: of the second pictures.
            mask0: padding of the first pictures.
            mask1: padding of the second pictures.
            max_matches: K is this, or L if that is less.
            fixed_size: False drops the rows that are valid in no pair before they are refined,
                which is less work but waits for the device.
        """
        tokens0, tokens1 = self.condition(features0, features1, mask0, mask1)
        coarse = self.select(
            self.similarity(tokens0, tokens1, mask0, mask1),
            features0,
            features1,
            mask0,
            mask1,
            max_matches,
        )
        if not fixed_size:
            most = int(coarse.valid.sum(dim=1).max())
            coarse = CoarseMatches(*(rows[:, :most] for rows in coarse))
        offset, spread = self.refine(
            features0, features1, tokens0, tokens1, coarse.cells0, coarse.cells1
        )
        keypoints1 = cell_position(coarse.cells1, features1.coarse.shape[3]) + offset
        return RawMatches(*coarse, keypoints1, spread)

    @torch.inference_mode()
    def match(
        self,
        image0: np.ndarray,
        image1: np.ndarray,
        *,
        max_size: int | None = None,
    ) -> Matches:
        """Match two grey pictures.

        Args:
            image0: (H0, W0) uint8.
            image1: (H1, W1) uint8; the sizes may differ.
            max_size: pictures with a longer side are first shrunk to it; None keeps them.

        Returns:
            The matches, the most confident first, in pixels of the pictures given.

        Raises:
            ValueError: a picture of another type or shape, or one of its sides or ``max_size`` is
                under 16 pixels.
        """
        # Imported late: the layer above gives matches their type, and calls the network.
        from loftr_vo.matching.array_matching import match_pair

        return match_pair(self, image0, image1, max_size)
