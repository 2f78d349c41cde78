# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The source of the true trajectory, and its transformation to the camera."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from loftr_vo.datasets import Sequence
from loftr_vo.datasets.frame_tree import FrameTree
from loftr_vo.datasets.opening import is_bag
from loftr_vo.evaluation.scoring import EvaluationError
from loftr_vo.files.numbers import numbers
from loftr_vo.geometry.axes import BODY_FROM_OPTICAL
from loftr_vo.geometry.trajectory import Trajectory

if TYPE_CHECKING:
    from loftr_vo.datasets.bag_poses import Track


@dataclass(frozen=True, eq=False)
class TruthOptions:
    """What the user gives of the ground truth; all of it is optional.

    Attributes:
        path: a TUM file, or a bag; None for the recording's own.
        topic: of a bag, where several carry poses.
        tf_frames: world and frame in TF, to take the poses from there.
        extrinsics: (4, 4) the pose of the camera's optical frame in the frame that the ground
            truth is of; None to find it in the bag.
    """

    path: Path | None = None
    topic: str | None = None
    tf_frames: tuple[str, str] | None = None
    extrinsics: np.ndarray | None = None


@dataclass(frozen=True)
class GroundTruth:
    """The true poses of the camera.

    Attributes:
        trajectory: world from camera, optical axes.
        source: a description of where it comes from.
        doubt: what may be wrong with it and what to do; empty if nothing.
        topic: of a bag; empty where it comes from a file or from TF.
    """

    trajectory: Trajectory
    source: str
    doubt: str = ''
    topic: str = ''


def parse_extrinsics(text: str) -> np.ndarray:
    """Return the pose (4, 4) that a text gives.

    Args:
        text: ``X Y Z QX QY QZ QW`` in metres, or the word ``optical``: the pose of the optical
            frame in one with x ahead and z up, at the same place.

    Raises:
        ValueError: it is neither.
    """
    if text == 'optical':
        return BODY_FROM_OPTICAL
    try:
        x, y, z, *quaternion = numbers(text.replace(',', ' ').split())
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
    except ValueError as error:
        raise ValueError(
            f'expected "X Y Z QX QY QZ QW" or the word optical, got {text!r}'
        ) from error
    pose[:3, 3] = x, y, z
    return pose


def find_ground_truth(sequence: Sequence, wanted: TruthOptions) -> GroundTruth:
    """Return the ground truth of a recording.

    Raises:
        EvaluationError: there is none, or several to choose from; says how to name it.
        DatasetError: the bag cannot be read, or the topic named is not there.
        TrajectoryError: the file named is malformed.
    """
    bag = sequence.path if sequence.path is not None and is_bag(sequence.path) else None
    path = wanted.path or bag
    if path is not None and path.is_dir() and not is_bag(path):
        raise EvaluationError(f'{path} is no trajectory: name a file (TUM format) or a bag')
    if path is None:
        return _own_ground_truth(sequence, wanted)
    if not is_bag(path):
        trajectory = Trajectory.read_tum(path)
        if wanted.extrinsics is not None:
            trajectory = Trajectory(trajectory.stamps, trajectory.poses @ wanted.extrinsics)
        return GroundTruth(trajectory, str(path))
    # Odometry that is the source of scale is no ground truth.
    wheels = getattr(sequence, 'odometry_topic', None) if path == bag else None
    track = truth_track(path, wanted, [wheels] if wheels else [])
    tree = transforms_of({path, bag or path})
    return carry(track, sequence.camera_frame or 'the camera', tree, wanted.extrinsics)


def _own_ground_truth(sequence: Sequence, wanted: TruthOptions) -> GroundTruth:
    truth = sequence.ground_truth
    if truth is None:
        raise EvaluationError(
            f'{sequence.name} ({sequence.kind}) has no ground truth; name one with '
            '--ground-truth FILE (TUM format, or a bag), or use "loftr_vo run"'
        )
    if wanted.extrinsics is not None:
        truth = Trajectory(truth.stamps, truth.poses @ wanted.extrinsics)
    return GroundTruth(truth, f'that of the {sequence.kind}')


def truth_track(path: Path, wanted: TruthOptions, but: Collection[str] = ()) -> Track:
    """Return the poses in a bag that are the ground truth.

    Args:
        path: the bag.
        wanted: which topic or TF frames, where that is known.
        but: topics that are something else.

    Raises:
        EvaluationError: there is none, or several to choose from.
        DatasetError: the bag cannot be read, or what is named is not there.
    """
    from loftr_vo.datasets.bag_poses import find_pose_topics, read_tf_track, read_track

    if wanted.tf_frames is not None:
        return read_tf_track(path, *wanted.tf_frames)
    if wanted.topic is not None:
        return read_track(path, wanted.topic)
    topics = find_pose_topics(path, but=but)
    if not topics:
        raise EvaluationError(
            f'{path} has no ground truth: no topic with poses (Odometry, PoseStamped, '
            'PoseWithCovarianceStamped, TransformStamped); name a file or another bag with '
            '--ground-truth, take it from TF with --ground-truth-tf WORLD FRAME, or use '
            '"loftr_vo run"'
        )
    if len(topics) > 1:
        raise EvaluationError(
            f'{path} has several topics with poses, choose the true one with '
            f'--ground-truth-topic: {", ".join(topics)}'
        )
    return read_track(path, topics[0])


def transforms_of(paths: Collection[Path]) -> FrameTree:
    """Return the static transforms of some bags together."""
    from loftr_vo.datasets.bag_poses import read_transforms

    tree = FrameTree()
    for path in sorted(paths):
        tree.update(read_transforms(path))
    return tree


def carry(
    track: Track, target: str, tree: FrameTree, extrinsics: np.ndarray | None
) -> GroundTruth:
    """Return the poses of one frame from those of another that it is fixed to.

    Args:
        track: the poses.
        target: name of the frame wanted, as a rule the camera's; empty where it is not known.
        tree: rigid transforms, to look the target up in.
        extrinsics: (4, 4) the target's pose in the track's frame, if that is known already.
    """
    frame, source, doubt = track.frame, track.source, ''
    if extrinsics is not None:
        source += ', carried to the camera by --extrinsics'
    elif not frame and target:
        doubt = (
            f'{source} does not say what its poses are of: they are taken to be those of '
            f'{target}; if they are of something else, give its place with --extrinsics'
        )
    elif frame != target:
        extrinsics = tree.rigid(frame, target)
        if extrinsics is not None:
            source += f', carried to {target} by static transforms'
        else:
            doubt = (
                f'{source}: no static transform leads from {frame} to '
                f'{target or "the camera"}; both are compared as they are, which makes the errors '
                'of rotation meaningless and the others larger; give the pose of the camera on '
                f'{frame} with --extrinsics'
            )
    poses = track.trajectory.poses
    if extrinsics is not None:
        poses = poses @ extrinsics
    return GroundTruth(Trajectory(track.trajectory.stamps, poses), source, doubt, track.topic)
