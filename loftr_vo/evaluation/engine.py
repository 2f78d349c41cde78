# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The odometry that a recording is run with: LoFTR's, or a classical baseline."""

from __future__ import annotations

from dataclasses import dataclass

from loftr_vo.config import Settings
from loftr_vo.evaluation.classical import ClassicalOdometry
from loftr_vo.evaluation.running import Odometry


@dataclass(frozen=True)
class Engine:
    """An odometry, and how it is named in the metrics.

    Attributes:
        odometry: of one recording; it keeps state from frame to frame.
        weights: name or path of the weights, or the name of the baseline.
        device: where the network runs, for example ``cpu``.
    """

    odometry: Odometry
    weights: str
    device: str


def make_engine(settings: Settings, baseline: str | None) -> Engine:
    """Return an odometry for one recording.

    Args:
        settings: of LoFTR's odometry.
        baseline: one of ``feature_links.BASELINES`` to run in its place, or None.

    Raises:
        WeightsError: the weights cannot be loaded.
    """
    if baseline is not None:
        return Engine(ClassicalOdometry(baseline), baseline, 'cpu')
    # Imported late: the baselines and the messages of bad input need no torch.
    from loftr_vo.matching.device import resolve_device
    from loftr_vo.odometry import VisualOdometry

    device = str(resolve_device(settings.matcher.device))
    return Engine(VisualOdometry(settings), settings.matcher.weights, device)
