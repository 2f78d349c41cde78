# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The matches of two keyframes as they are measured, without what the map expects of them.

The links of the map will not do: their positions are fused with predicted ones, which follow from
the calibration, and so agree with it even where it is wrong.
"""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.matrix2x2 import inverse, whitening
from loftr_vo.matching.lucas_kanade import locate_alone
from loftr_vo.odometry.calibration.pair_equations import PairMatches
from loftr_vo.odometry.calibration.tuning import TUNING
from loftr_vo.odometry.map.keyframe import Keyframe, Link
from loftr_vo.odometry.map.pixel_rays import PixelRays


def measured_matches(keyframe: Keyframe, link: Link) -> PairMatches:
    """Return the cells of a link, evenly thinned, located in the other keyframe anew.

    Args:
        keyframe: that the link belongs to; the first view.
        link: to another keyframe, whose positions are where Lucas-Kanade begins.
    """
    link = link.thinned(TUNING.max_matches)
    other, cells = link.other, link.cells
    camera, offsets = other.frame.camera, keyframe.offsets[cells]
    centres = keyframe.encoded.cell_centres()[cells]
    start = camera.project(link.rays1) - offsets
    located = locate_alone(
        keyframe.frame.normalised,
        keyframe.texture.select(cells),
        other.frame.normalised,
        centres,
        start,
    )
    pixels = located.points + offsets
    seen = PixelRays.of(pixels, camera, other.readout_rotation)
    near = np.abs(located.points - start).max(axis=1) < TUNING.max_correction
    kept = np.flatnonzero(located.tracked & near & seen.usable)
    cells, by_pixel1 = cells[kept], seen.by_pixel[kept]
    # So that no direction is without information.
    information = located.information[kept] + np.eye(2) / TUNING.max_correction**2
    return PairMatches(
        camera,
        keyframe.rays[cells],
        seen.rays[kept],
        whitening(information) @ inverse(by_pixel1),
        centres[kept] + offsets[kept],
        pixels[kept],
        keyframe.by_pixel[cells],
        by_pixel1,
    )
