# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How the viewer Rerun shows a run at first: views, their titles, colours and widths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from loftr_vo.odometry.estimate import State

TIMELINE = 'stamp'
GREEN, RED, BLUE, GREY = (50, 230, 75), (255, 50, 50), (50, 130, 255), (150, 150, 150)
AMBER = (255, 178, 25)
# As ~/match_image has them.
STATE_COLOURS = {
    State.INITIALISING.value: AMBER,
    State.TRACKING.value: GREEN,
    State.LOST.value: RED,
}
_SPACE = ('camera', 'camera/image', 'path', 'points', 'map', 'keyframes', 'matches')
# Title of each diagram: its curves by entity, with name and colour.
_CURVES = {
    'Matches with the keyframe': {
        'matches': ('matches', BLUE),
        'inliers': ('inliers', GREEN),
    },
    'Latency [ms]': {'latency_ms': ('latency', AMBER)},
    'Position, standard deviation [m, or units of length]': {'position_sigma': ('position', BLUE)},
    'Rotation, standard deviation [degrees]': {'rotation_sigma_deg': ('rotation', RED)},
}


def styles(rerun: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is logged once: entities, and how they are named and coloured."""
    for curves in _CURVES.values():
        for entity, (name, colour) in curves.items():
            yield f'figures/{entity}', rerun.SeriesLines(names=name, colors=colour, widths=1.5)
    yield (
        'state',
        rerun.StateConfiguration(
            values=list(STATE_COLOURS),
            labels=list(STATE_COLOURS),
            colors=list(STATE_COLOURS.values()),
        ),
    )


def layout(views: Any, scene: np.ndarray | None = None, up: np.ndarray | None = None) -> Any:
    """Return the blueprint: space and state on the left, matches and curves on the right.

    Args:
        views: the module ``rerun.blueprint``.
        scene: (N, 3) positions to be seen as a whole at first; None to follow the camera.
        up: (3,) unit vector of the frame, with ``scene``.
    """
    diagrams = [
        views.TimeSeriesView(
            name=title,
            contents=[f'/figures/{entity}' for entity in curves],
            plot_legend=views.PlotLegend(visible=len(curves) > 1),
        )
        for title, curves in _CURVES.items()
    ]
    return views.Blueprint(
        views.Horizontal(
            views.Vertical(
                views.Spatial3DView(
                    origin='/',
                    name='Space',
                    contents=[f'/{entity}/**' for entity in _SPACE],
                    eye_controls=_eye(views, scene, up),
                ),
                views.Horizontal(
                    views.StateTimelineView(origin='/', name='State', contents=['/state']),
                    views.TextLogView(origin='reason', name='Reason'),
                ),
                row_shares=[5, 1],
            ),
            views.Vertical(
                views.Tabs(
                    views.Spatial2DView(
                        origin='match_image', name='Matches: keyframe and picture'
                    ),
                    views.Spatial2DView(origin='camera/image', name='Picture'),
                ),
                *diagrams,
                row_shares=[2, *(1 for _ in diagrams)],
            ),
            column_shares=[3, 2],
        ),
        views.TimePanel(timeline=TIMELINE, state='collapsed'),
        collapse_panels=True,
    )


def _eye(views: Any, scene: np.ndarray | None, up: np.ndarray | None) -> Any:
    """Return from where space is seen: the whole scene from above, or after the camera."""
    if scene is None or up is None:
        return views.EyeControls3D(tracking_entity='/camera')
    lowest, highest = np.percentile(scene, [5.0, 95.0], axis=0)
    centre, size = (lowest + highest) / 2, float(np.linalg.norm(highest - lowest))
    # From behind and above: the first camera looks along z of its own frame.
    position = centre + size * (0.8 * up - 0.7 * np.array([0.0, 0.0, 1.0]))
    return views.EyeControls3D(kind='Orbital', position=position, look_target=centre, eye_up=up)
