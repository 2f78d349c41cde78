# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The matches of two keyframes as they are measured, without what the map expects of them.

The links of the map will not do: their positions are fused with predicted ones, which follow from
the calibration, and so agree with it even where it is wrong.
"""

from __future__ import annotations

import numpy as np

from loftr_vo.geometry.matrix2x2 import inverse, whitening, with_variance_added
from loftr_vo.matching.lucas_kanade import WINDOW
from loftr_vo.matching.optical_flow import FlowOptions, optical_flow
from loftr_vo.odometry.calibration.pair_equations import PairMatches
from loftr_vo.odometry.calibration.tuning import TUNING
from loftr_vo.odometry.map.keyframe import Keyframe, Link
from loftr_vo.odometry.map.pixel_rays import PixelRays

# Steps small enough for the initial position to be forgotten.
_FLOW = FlowOptions(
    window=WINDOW, levels=0, iterations=30, least_step=0.01, least_eigenvalue=1e-6
)


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
    moved, found, _ = optical_flow(
        keyframe.frame.normalised,
        other.frame.normalised,
        centres,
        start,
        _FLOW,
        positions_only=True,
    )
    pixels = moved + offsets
    seen = PixelRays.of(pixels, camera, other.readout_rotation)
    # Not where a surface in front has covered it; and far enough for any error of interest.
    found &= np.abs(moved - start).max(axis=1) < TUNING.max_correction
    kept = np.flatnonzero(found & seen.usable)
    cells, by_pixel1 = cells[kept], seen.by_pixel[kept]
    information = with_variance_added(
        keyframe.texture.information[cells], TUNING.position_sigma**2
    )
    information += np.eye(2) * TUNING.max_correction**-2
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
