# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Rendered sequences: poses, depth and pictures belong together; folders written from them."""

import itertools

import cv2
import numpy as np
import pytest
import torch
from painted_stages import forget

from loftr_vo.cli import render as render_command
from loftr_vo.cli.main import main
from loftr_vo.datasets import DatasetError, open_sequence
from loftr_vo.datasets.writing import write_sequence
from loftr_vo.imaging.camera import Camera
from loftr_vo.synthetic import disturbance
from loftr_vo.synthetic.camera_path import stopping, turning
from loftr_vo.synthetic.disturbance import DisturbedSequence
from loftr_vo.synthetic.lens import LENSES
from loftr_vo.synthetic.places import KINDS
from loftr_vo.synthetic.ray_casting import BACKGROUND_DEPTH
from loftr_vo.synthetic.render import render
from loftr_vo.synthetic.room import LAP, room_path
from loftr_vo.synthetic.sequence import SyntheticSequence
from loftr_vo.synthetic.street import street_path
from loftr_vo.synthetic.view import in_view

SIZE = (96, 128)


@pytest.fixture(scope='module', params=('room', 'street'))
def sequence(request):
    return SyntheticSequence(request.param, frames=40, size=SIZE, noise=0.0)


@pytest.fixture(scope='module')
def room():
    return SyntheticSequence('room', frames=6, size=SIZE)


def warped(first, second, first_pose, second_pose):
    """Return the second picture as the first camera would see it, and where that is known."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].reshape(2, -1)
    rays = np.column_stack([first.camera.undistort(np.column_stack([x, y])), np.ones(x.size)])
    points = rays * first.depth.reshape(-1, 1)
    motion = np.linalg.inv(second_pose) @ first_pose
    points = points @ motion[:3, :3].T + motion[:3, 3]
    pixels = second.camera.project(points).astype(np.float32)
    across, down = pixels.T.reshape(2, *SIZE)
    value = cv2.remap(second.image, across, down, cv2.INTER_LINEAR)
    depth = cv2.remap(second.depth, across, down, cv2.INTER_NEAREST)
    inside = (across > 0) & (across < SIZE[1] - 1) & (down > 0) & (down < SIZE[0] - 1)
    return value, inside & (np.abs(depth / points[:, 2].reshape(SIZE) - 1) < 0.02)


@pytest.mark.parametrize('index', [0, 17, 33])
def test_the_next_picture_follows_from_depth_and_poses(sequence, index):
    first, second = sequence.frame(index), sequence.frame(index + 1)
    poses = sequence.ground_truth.poses
    value, known = warped(first, second, poses[index], poses[index + 1])
    still, _ = warped(first, second, poses[index], poses[index])

    def error(other):
        return np.abs(other.astype(float) - first.image)[known].mean()

    assert known.mean() > 0.6
    assert error(value) < 5.0
    assert error(value) < 0.45 * error(still)


def test_pictures_have_contrast_and_no_holes(sequence):
    for index in (0, 20, 39):
        frame = sequence.frame(index)
        assert frame.image.std() > 25
        assert np.ptp(frame.image.astype(int)) > 150
        assert frame.depth.min() > 0.3
        assert frame.depth.max() < BACKGROUND_DEPTH / 10


def test_the_camera_moves_smoothly_and_sees_parallax(sequence):
    poses, stamps = sequence.ground_truth.poses, sequence.ground_truth.stamps
    assert np.array_equal(np.diff(stamps), np.full(39, 100_000_000))
    steps = np.linalg.norm(np.diff(sequence.ground_truth.positions, axis=0), axis=1)
    assert steps.min() > 0.02
    assert np.abs(np.diff(steps)).max() < 0.2 * steps.max()
    turns = np.einsum('nji,njk->nik', poses[:-1, :3, :3], poses[1:, :3, :3])
    angles = np.arccos((np.trace(turns, axis1=1, axis2=2) - 1) / 2)
    assert np.degrees(angles.max()) < 8.0
    for before, pose in itertools.pairwise(poses):
        assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3))
        assert before[3].tolist() == [0, 0, 0, 1]


def test_the_street_bends_and_the_room_is_walked_round():
    drive = street_path(np.random.default_rng(0))
    turned = drive(0.0)[:3, 2] @ drive(15.0)[:3, 2]
    assert np.degrees(np.arccos(turned)) > 50
    walk = room_path(np.random.default_rng(0))
    positions = np.array([walk(seconds)[:3, 3] for seconds in np.arange(0.0, LAP + 0.1, 0.1)])
    assert np.linalg.norm(np.diff(positions, axis=0), axis=1).sum() > 7
    assert np.linalg.norm(positions[0] - positions[-1]) < 0.3


def test_only_what_cannot_be_seen_is_left_out(sequence):
    pose = sequence.ground_truth.poses[7]
    camera = sequence.camera
    scene = sequence._scene
    kept = in_view(scene, pose, camera)
    assert kept.centre.shape[1] < 0.6 * scene.centre.shape[1]
    options = (
        torch.from_numpy(pose[None].astype(np.float32)),
        torch.from_numpy(camera.matrix[None].astype(np.float32)),
        SIZE,
    )
    whole = render(scene, sequence._bank, *options, taps=2, supersampling=2)
    part = render(kept, sequence._bank, *options, taps=2, supersampling=2)
    # Backs of things are left out too: where a hair of one showed at an outline, it may differ.
    assert ((whole.depth - part.depth).abs() < 1e-3).float().mean() > 0.999
    assert ((whole.image - part.image).abs() < 1e-3).float().mean() > 0.995
    frame = sequence.frame(7)
    assert (np.abs(part.image[0].numpy() * 255 - frame.image) < 1.0).mean() > 0.995
    assert np.allclose(part.depth[0].numpy(), frame.depth, rtol=1e-4)


def test_a_sequence_is_determined_by_its_seed(room):
    forget()
    same = SyntheticSequence('room', frames=6, size=SIZE)
    other = SyntheticSequence('room', frames=6, size=SIZE, seed=1)
    assert np.array_equal(room.ground_truth.poses, same.ground_truth.poses)
    assert not np.array_equal(room.ground_truth.poses, other.ground_truth.poses)
    assert np.array_equal(room.frame(3).image, same.frame(3).image)
    assert not np.array_equal(room.frame(3).image, other.frame(3).image)


def test_frames_come_in_order_and_again(room):
    frames = list(room)
    assert len(frames) == len(room) == 6
    assert [frame.stamp for frame in frames] == room.ground_truth.stamps.tolist()
    assert np.array_equal(frames[2].image, room.frame(2).image)


def test_noise_has_the_deviation_asked_for():
    clean, noisy = (
        SyntheticSequence('room', frames=1, size=SIZE, noise=noise).frame(0).image.astype(float)
        for noise in (0.0, 6.0)
    )
    middle = (clean > 30) & (clean < 225)
    assert (noisy - clean)[middle].std() == pytest.approx(6.0, rel=0.05)


def test_less_contrast_leaves_walls_all_but_blank(room):
    blank = SyntheticSequence('room', frames=1, size=SIZE, contrast=0.1, noise=0.0).frame(0)
    assert blank.image.std() == pytest.approx(0.1 * room.frame(0).image.std(), rel=0.1)
    assert np.array_equal(blank.depth, room.frame(0).depth)


def test_exposure_blurs_along_the_motion_but_not_the_depth():
    sharp, blurred = (
        SyntheticSequence('room', frames=3, size=SIZE, noise=0.0, exposure=exposure).frame(1)
        for exposure in (0.0, 0.1)
    )

    def edges(frame):
        return cv2.Laplacian(frame.image.astype(np.float32), cv2.CV_32F).std()

    assert edges(blurred) < 0.7 * edges(sharp)
    assert np.array_equal(blurred.depth, sharp.depth)
    assert blurred.image.mean() == pytest.approx(sharp.image.mean(), abs=2.0)


def test_rendering_gives_torch_its_threads_back(room):
    torch.set_num_threads(2)
    try:
        room.frame(0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'kind': 'cellar'}, "no scene 'cellar'; the scenes are room, street"),
        ({'frames': 0}, 'one frame or more'),
        ({'rate': 0.0}, 'rate must be positive'),
        ({'rate': float('nan')}, 'rate must be positive'),
        ({'kind': 'street', 'frames': 500}, 'street ends after 22 s: 500 frames at 10 Hz'),
        ({'contrast': 1.5}, 'contrast'),
        ({'noise': -1.0}, 'cannot be negative'),
        ({'exposure': -0.1}, 'cannot be negative'),
    ],
)
def test_impossible_sequences_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SyntheticSequence(**{'kind': 'room', 'size': SIZE, **arguments})


def test_a_written_sequence_reads_back_as_it_was(room, tmp_path):
    write_sequence(room, tmp_path / 'deep' / 'room')
    read = open_sequence(tmp_path / 'deep' / 'room')
    assert (read.name, read.kind, len(read)) == ('room', 'sequence folder', 6)
    for ours, theirs in zip(room, read, strict=True):
        assert ours.stamp == theirs.stamp
        assert np.array_equal(ours.image, theirs.image)
        assert np.array_equal(ours.camera.matrix, theirs.camera.matrix)
        assert theirs.camera.distortion_model == 'plumb_bob'
    assert np.array_equal(read.ground_truth.stamps, room.ground_truth.stamps)
    assert np.allclose(read.ground_truth.poses, room.ground_truth.poses, atol=1e-7)


def test_pictures_are_not_written_among_others(room, tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'mine.png').touch()
    with pytest.raises(DatasetError, match='is not empty'):
        write_sequence(room, tmp_path)


def test_the_command_renders_what_it_is_told(tmp_path, capsys):
    words = ['--frames', '2', '--size', '64x48', '--rate', '5', '--seed', '3']
    assert main(['render', 'room', '-o', str(tmp_path / 'out'), *words]) == 0
    assert '2 frames written' in capsys.readouterr().out
    read = list(open_sequence(tmp_path / 'out'))
    assert [frame.image.shape for frame in read] == [(48, 64)] * 2
    assert read[1].stamp - read[0].stamp == 200_000_000


def test_the_command_knows_every_scene():
    assert set(render_command.KINDS) == set(KINDS)


def test_the_command_refuses_what_is_no_size(capsys):
    with pytest.raises(SystemExit):
        main(['render', 'room', '--size', '320'])
    assert 'expected WxH, for example 320x240, got 320' in capsys.readouterr().err


def test_a_wall_is_one_plane_and_fills_the_view():
    sequence = SyntheticSequence('wall', frames=80, size=SIZE, noise=0.0)
    for index in (0, 20, 79):
        frame, pose = sequence.frame(index), sequence.ground_truth.poses[index]
        y, x = np.mgrid[: SIZE[0], : SIZE[1]].reshape(2, -1)
        rays = np.column_stack([frame.camera.undistort(np.column_stack([x, y])), np.ones(x.size)])
        points = rays * frame.depth.reshape(-1, 1) @ pose[:3, :3].T + pose[:3, 3]
        assert np.ptp(points[:, 2]) < 0.01
        assert frame.image.std() > 20
    assert np.ptp(sequence.ground_truth.positions[:, 0]) > 1.0


def test_a_camera_comes_to_rest_smoothly_and_stays():
    path = stopping(room_path(np.random.default_rng(0)), 2.0)
    positions = np.stack([path(index / 10)[:3, 3] for index in range(50)])
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    assert steps[:20].min() > 0.02
    assert np.abs(np.diff(steps)).max() < 0.3 * steps.max()
    assert steps[25:].max() == 0.0


def test_a_camera_turns_on_the_spot():
    path = turning(room_path(np.random.default_rng(0)), 2.0, np.radians(40.0))
    poses = np.stack([path(index / 10) for index in range(25, 115)])
    assert np.ptp(poses[:, :3, 3], axis=0).max() == 0.0
    turns = np.einsum('nji,njk->nik', poses[:-1, :3, :3], poses[1:, :3, :3])
    angles = np.degrees(np.arccos((np.trace(turns, axis1=1, axis2=2) - 1) / 2))
    assert angles[-1] == pytest.approx(4.0, abs=0.01)
    assert 330 < angles.sum() < 370


def test_somebody_hides_a_share_of_the_view_and_moves():
    options = {'frames': 20, 'size': SIZE, 'rate': 5.0, 'contrast': 0.2, 'noise': 0.0}
    here = SyntheticSequence('room', hidden=0.4, **options)
    alone = SyntheticSequence('room', **options)
    assert np.array_equal(here.frame(3).image, alone.frame(3).image)
    hides = []
    for index in (10, 14, 18):
        one, other = here.frame(index), alone.frame(index)
        nearer = one.depth < 0.9 * other.depth
        assert nearer.mean() == pytest.approx(0.4, abs=0.08)
        assert np.mean(one.image[~nearer] == other.image[~nearer]) > 0.95  # but its edges
        # The room is dull, and the one who hides it is not.
        assert one.image[nearer].std() > 2 * other.image.std()
        hides.append(np.argwhere(nearer)[:, 1].mean())
    assert np.ptp(hides) > 10


def test_light_dims_and_flickers_and_the_mount_shakes():
    plain, dim, flickering, blurred = (
        SyntheticSequence('wall', 12, size=SIZE, noise=0.0, **details)
        for details in ({}, {'light': 0.2}, {'flicker': 0.1}, {'blur': 9})
    )
    image = plain.frame(3).image.astype(float)
    assert dim.frame(3).image == pytest.approx(0.2 * image, abs=1)
    means = [flickering.frame(i).image.mean() / plain.frame(i).image.mean() for i in range(12)]
    assert 0.04 < np.std(means) < 0.2
    smeared = blurred.frame(3).image.astype(float)
    assert np.abs(np.diff(smeared, axis=1)).mean() < 0.5 * np.abs(np.diff(image, axis=1)).mean()
    assert smeared.mean() == pytest.approx(image.mean(), abs=1)


@pytest.mark.parametrize(
    ('details', 'message'),
    [
        ({'light': 1.5}, 'light'),
        ({'flicker': -0.1}, 'flicker'),
        ({'blur': 0}, 'smeared'),
        ({'hidden': 1.0}, 'hidden share'),
    ],
)
def test_impossible_light_is_refused(details, message):
    with pytest.raises(ValueError, match=message):
        SyntheticSequence('room', 2, **details)


class TestDisturbance:
    @pytest.fixture
    def disturbed(self, room):
        def disturb(happens):
            return list(DisturbedSequence(room, happens, 2, 4)), list(room)

        return disturb

    def test_it_lasts_as_long_as_it_is_said_to(self, disturbed):
        frames, before = disturbed(disturbance.darkened)
        same = [np.array_equal(a.image, b.image) for a, b in zip(frames, before, strict=True)]
        assert same == [True, True, False, False, True, True]
        assert [frame.stamp for frame in frames] == [frame.stamp for frame in before]

    def test_darkness_is_dark_and_the_sun_is_bright(self, disturbed):
        assert disturbed(disturbance.darkened)[0][2].image.mean() < 3
        assert disturbed(disturbance.dazzled)[0][2].image.mean() > 250

    def test_a_hand_covers_the_share_that_it_is_told_to(self, disturbed):
        frames, before = disturbed(disturbance.covered(0.5))
        changed = np.abs(frames[2].image.astype(int) - before[2].image) > 10
        columns = changed.mean(axis=0)
        assert columns[: SIZE[1] // 3].mean() > 0.6
        assert columns[-SIZE[1] // 3 :].mean() < 0.05

    def test_elsewhere_shows_the_pictures_of_that_place(self, disturbed):
        place = SyntheticSequence('wall', 2, size=SIZE)
        frames, _ = disturbed(disturbance.carried_to(place))
        assert [np.array_equal(frames[2 + i].image, place.frame(i).image) for i in (0, 1)]


def test_a_rolling_shutter_sees_each_row_from_where_the_camera_is_by_then():
    readout, rate = 0.04, 25.0
    rolling = SyntheticSequence('swing', 3, (120, 160), rate, noise=0.0, readout=readout)
    # Rows 80 to 83 are read 22/120 of the readout after the middle one.
    late = 0.04 + readout * (82.0 / 120 - 0.5)
    at_once = SyntheticSequence('swing', 2, (120, 160), 1 / late, noise=0.0)
    rows = np.s_[80:84]
    seen, then = rolling.frame(1).image[rows], at_once.frame(1).image[rows]
    now = SyntheticSequence('swing', 3, (120, 160), rate, noise=0.0).frame(1).image[rows]
    assert np.abs(seen.astype(int) - then).mean() < 0.5
    assert np.abs(seen.astype(int) - now).mean() > 3.0


def test_a_rolling_shutter_that_takes_no_time_is_a_global_one():
    pictures = [
        SyntheticSequence('swing', 2, (120, 160), readout=readout).frame(1).image
        for readout in (0.0, 1e-9)
    ]
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 1


def test_a_readout_below_nothing_is_refused():
    with pytest.raises(ValueError, match='readout cannot be negative'):
        SyntheticSequence('room', 2, readout=-0.01)


@pytest.mark.parametrize('name', LENSES)
def test_what_a_lens_sees_lies_where_its_model_has_it(name):
    """Points of one frame, moved by the true motion, are seen in the next with their depth."""
    camera = _of_a_third(LENSES[name])
    sequence = SyntheticSequence('room', 4, seed=0, noise=0.0, camera=camera)
    frames, poses = [sequence.frame(index) for index in (0, 3)], sequence.ground_truth.poses
    pixels = np.mgrid[4 : camera.width - 4 : 5, 4 : camera.height - 4 : 5].reshape(2, -1).T
    rays = camera.undistort(pixels)
    has_ray = np.hypot(*rays.T) < 5
    pixels, rays = pixels[has_ray], rays[has_ray]
    points = np.column_stack([rays, np.ones(len(rays))])
    points *= frames[0].depth[pixels[:, 1], pixels[:, 0], None]
    there = np.linalg.inv(poses[3]) @ poses[0]
    moved = points @ there[:3, :3].T + there[:3, 3]
    seen = camera.project(moved)
    inside = ((seen > 2) & (seen < (camera.width - 3, camera.height - 3))).all(axis=1)
    x, y = seen[inside].round().astype(int).T
    agree = np.abs(frames[1].depth[y, x] / moved[inside, 2] - 1) < 0.05
    assert inside.mean() > 0.5
    assert agree.mean() > 0.95
    moved_grey = cv2.remap(frames[1].image, seen[inside].astype(np.float32)[:, None], None, 1)
    x, y = pixels[inside].T
    difference = moved_grey[:, 0].astype(float) - frames[0].image[y, x]
    assert np.median(np.abs(difference[agree])) < 8
    assert np.std(frames[0].image) > 30


def _of_a_third(camera):
    """Return the camera of pictures a third as wide and high, which are rendered sooner."""
    matrix = camera.matrix.copy()
    matrix[:2] /= 3
    matrix[:2, 2] -= 1 / 3  # pixel (0, 0) is the centre of the first
    return Camera(
        camera.width // 3, camera.height // 3, matrix, camera.distortion_model, camera.distortion
    )


def test_no_rolling_shutter_is_rendered_through_a_lens():
    with pytest.raises(ValueError, match='without distortion'):
        SyntheticSequence('room', 2, readout=0.02, camera=LENSES['wide'])
