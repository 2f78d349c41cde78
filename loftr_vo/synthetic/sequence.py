# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A camera moving through a rendered room or street, as a sequence like any recording."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator

import cv2
import numpy as np

from loftr_vo.datasets.companions import since
from loftr_vo.datasets.sequence import Sequence
from loftr_vo.geometry.inertial import ImuCalibration, ImuSamples
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame, RightPicture
from loftr_vo.odometry.rolling_shutter.model import share_of_readout
from loftr_vo.synthetic.inertial import (
    IMU_FROM_CAMERA,
    ImuOptions,
    simulate_imu,
    stated_noise,
)
from loftr_vo.synthetic.lens import LensView
from loftr_vo.synthetic.passer_by import PasserBy
from loftr_vo.synthetic.places import PLACES
from loftr_vo.synthetic.scene import Rectangles
from loftr_vo.synthetic.scene_options import check_light, check_scene
from loftr_vo.synthetic.sensors import depth_camera, wheel_odometry
from loftr_vo.synthetic.view import one_thread, part_of, render_in_blocks, render_visible

FIELD_OF_VIEW = 75.0  # degrees, horizontally

_BLUR_SAMPLES = 5

# Rows that a rolling shutter reads at a time; less than a tenth of a pixel passes meanwhile.
_ROWS_AT_ONCE = 4

_START = 1_000_000_000  # nanoseconds; a stamp of zero means "unknown" to parts of ROS


class SyntheticSequence(Sequence):
    """Pictures of a ray-cast scene with exact poses and depth, the same for the same seed.

    Frames are rendered one at a time as they are asked for. With ``provide`` they carry
    measurements of other sensors: a depth camera, which replaces the exact depth, a right camera,
    and wheels; see ``sensors``. Those of an IMU are on a spline through the frames' poses; see
    ``inertial``.

    Args:
        kind: ``room``, a hand-held camera going round in a furnished room; ``street``, a camera
            driving past houses and around a bend; ``rest`` and ``turn``, the room's camera that
            after two seconds stands still, or turns on the spot; ``swing``, the same, swung to
            and fro; ``wall``, a plane all over.
        frames: their number.
        size: (H, W) in pixels.
        rate: frames a second; the camera's speed does not depend on it.
        seed: of the textures, the shake of the hand and the noise.
        contrast: scales everything about middle grey; 0.1 makes walls all but blank.
        noise: standard deviation of the sensor's noise, in grey levels.
        exposure: seconds that the shutter stays open, which blurs by the camera's motion.
        readout: seconds in which a rolling shutter reads the rows, from the first to the last; a
            frame's pose is that of the middle one.
        light: share of the usual light that there is; the noise stays.
        flicker: standard deviation of the light from frame to frame, as a share of it.
        blur: pixels by which each picture is smeared sideways, as by a shaking mount.
        hidden: share of the view that a person walking ahead of the camera hides.
        hidden_since: seconds from which on.
        camera: with a lens of its own, which the pictures are then taken through; in place of a
            pinhole of ``size``. Rows are read at once.
        imu: rate and errors of an IMU.

    Raises:
        ValueError: an unknown kind, or a number that is out of range.
    """

    def __init__(
        self,
        kind: str,
        frames: int = 150,
        size: tuple[int, int] = (240, 320),
        rate: float = 10.0,
        seed: int = 0,
        *,
        contrast: float = 1.0,
        noise: float = 1.5,
        exposure: float = 0.0,
        readout: float = 0.0,
        light: float = 1.0,
        flicker: float = 0.0,
        blur: int = 1,
        hidden: float = 0.0,
        hidden_since: float = 2.0,
        camera: Camera | None = None,
        imu: ImuOptions | None = None,
    ) -> None:
        check_scene(kind, frames, rate, contrast, noise, exposure)
        if readout < 0:
            raise ValueError(f'the readout cannot be negative, got {readout}')
        check_light(light, flicker, blur, hidden)
        self.camera = camera or _camera(size)
        self._lens = LensView(self.camera) if self.camera.distortion.any() else None
        if self._lens and readout:
            raise ValueError('a rolling shutter is rendered without distortion only')
        # A lens's faces are finer than its picture already.
        self._supersampling = 1 if self._lens else 2
        self._frames = frames
        self._seed = seed
        self._noise = noise
        self._exposure = exposure
        self._readout = readout
        self._light, self._flicker, self._blur = light, flicker, blur
        self._imu_options = imu or ImuOptions()
        place = PLACES[kind]
        # One generator each, so that the path stays when a painter draws more or less.
        stage = place.build(np.random.default_rng([seed, 0]))
        self._path = place.path(np.random.default_rng([seed, 1]))
        self.right_from_left = np.eye(4)
        self.right_from_left[0, 3] = -place.baseline
        # The last view, for cameras that rest.
        self._seen: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._passer_by: PasserBy | None = None
        if hidden:
            self._passer_by = PasserBy(
                hidden, math.radians(FIELD_OF_VIEW), self._path, hidden_since
            )
            dull = stage.surfaces
            self._passer_by.join(stage)
        self._scene, self._bank = stage.build()
        contrasts = self._scene.contrast * contrast
        if hidden:
            contrasts[:, dull:] = 1.0
        self._scene = dataclasses.replace(self._scene, contrast=contrasts)
        self._times = np.arange(frames) / rate
        self._stamps = _START + np.round(self._times * 1e9).astype(np.int64)
        poses = np.stack([self._path(time) for time in self._times])
        super().__init__(f'{kind}-{seed}', 'rendered scene', Trajectory(self._stamps, poses))

    def lacks(self, source: str) -> bool:
        """See ``Sequence``; a rendered scene has everything."""
        return False

    def __len__(self) -> int:
        return self._frames

    @functools.cached_property
    def wheels(self) -> Trajectory:
        """Wheel odometry of the base, which is at the camera and looks along x."""
        rng = np.random.default_rng([self._seed, 3])
        return wheel_odometry(self._path, float(self._times[-1]), _START, rng)

    def _imu_calibration(self) -> ImuCalibration:
        return ImuCalibration(IMU_FROM_CAMERA, stated_noise(self._imu_options))

    @functools.cached_property
    def imu_samples(self) -> ImuSamples:
        """What the IMU measures, from half a second before the first frame on."""
        rng = np.random.default_rng([self._seed, 7])
        return simulate_imu(self._path, self._times, _START, self._imu_options, rng)

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._frames):
            yield self.frame(index)

    def frame(self, index: int) -> Frame:
        """Render one frame; its pose is that of the middle of the exposure."""
        time = float(self._times[index])
        with one_thread():
            light, depth = self._see(np.eye(4), time)
            if self._exposure:
                moments = (np.arange(_BLUR_SAMPLES) + 0.5) / _BLUR_SAMPLES - 0.5
                times = [time + self._exposure * moment for moment in moments]
                light = np.mean([self._see(np.eye(4), t)[0] for t in times], axis=0)
        image = self._grey(light, index, 2)
        frame = Frame(image, int(self._stamps[index]), self.camera, depth)
        return self._accompanied(frame, index)

    def _grey(self, light: np.ndarray, index: int, draw: int) -> np.ndarray:
        """Return the picture (H, W) uint8 that a sensor takes; ``draw`` seeds its noise."""
        if self._blur > 1:
            light = cv2.blur(light, (self._blur, 1))
        flicker = self._flicker * np.random.default_rng([self._seed, 6, index]).normal()
        noise = np.random.default_rng([self._seed, draw, index]).normal(
            0.0, self._noise, light.shape
        )
        grey = light * (255.0 * self._light * (1.0 + flicker)) + noise
        return np.clip(np.round(grey), 0, 255).astype(np.uint8)

    def _accompanied(self, frame: Frame, index: int) -> Frame:
        """Return the frame with the samples named to ``provide``."""
        assert frame.depth is not None
        if 'depth' in self.provided:
            rng = np.random.default_rng([self._seed, 4, index])
            frame = dataclasses.replace(frame, depth=depth_camera(frame.depth, rng))
        if 'stereo' in self.provided:
            time = float(self._times[index])
            left_from_right = np.linalg.inv(self.right_from_left)
            with one_thread():
                image = self._grey(self._see(left_from_right, time)[0], index, 5)
            right = RightPicture(image, self.camera, self.right_from_left)
            frame = dataclasses.replace(frame, right=right)
        before = int(self._stamps[index - 1]) if index else None
        if 'imu' in self.provided:
            frame = dataclasses.replace(frame, imu=self.imu_samples.between(before, frame.stamp))
        if 'odometry' in self.provided:
            frame = dataclasses.replace(frame, wheels=since(self.wheels, before, frame.stamp))
        return frame

    def _see(self, path_from_camera: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Picture in [0, 1] and depth in metres, both (H, W) float32, at a time in seconds.

        Args:
            path_from_camera: (4, 4), pose of the camera on what moves along the path.
            time: of the middle row.
        """
        pose = self._path(time) @ path_from_camera
        if not self._readout:
            return self._see_at(pose, time)
        light, depth = np.empty((2, self.camera.height, self.camera.width), np.float32)
        for top in range(0, self.camera.height, _ROWS_AT_ONCE):
            rows = np.s_[top : top + _ROWS_AT_ONCE]
            middle = top + (len(light[rows]) - 1) / 2
            share = float(share_of_readout(np.array(middle), self.camera.height))
            late = time + share * self._readout
            band = part_of(self.camera, 0, top, light[rows].shape)
            pose = self._path(late) @ path_from_camera
            light[rows], depth[rows] = render_visible(
                self._scene_at(late), self._bank, pose, band, self._supersampling
            )
        return light, depth

    def _scene_at(self, time: float) -> Rectangles:
        return self._scene if self._passer_by is None else self._passer_by.place(self._scene, time)

    def _see_at(self, pose: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
        """See all rows at once.

        They are cast block by block: few rectangles reach into each, and it stays in the cache.
        """
        seen = self._seen if self._passer_by is None else None
        if seen is not None and np.array_equal(pose, seen[0]):
            return seen[1], seen[2]
        scene = self._scene_at(time)

        def view(pose: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
            return render_in_blocks(scene, self._bank, pose, camera, self._supersampling)

        light, depth = self._lens.see(pose, view) if self._lens else view(pose, self.camera)
        self._seen = pose, light, depth
        return light, depth


def _camera(size: tuple[int, int]) -> Camera:
    height, width = size
    focal = width / 2 / np.tan(np.radians(FIELD_OF_VIEW) / 2)
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return Camera(width, height, matrix, 'plumb_bob', np.zeros(5))
