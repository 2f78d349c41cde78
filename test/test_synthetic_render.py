# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The ray-caster against plain geometry, and the pairs and photometry made with it."""

import dataclasses
import itertools

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from loftr_vo.synthetic.painters import PAINTERS, fractal_noise
from loftr_vo.synthetic.pairs import PairGenerator
from loftr_vo.synthetic.photometry import blur_kernels, random_photometry
from loftr_vo.synthetic.ray_casting import (
    BACKGROUND_DEPTH,
    nearest_in_groups,
    nearest_in_turn,
)
from loftr_vo.synthetic.render import render
from loftr_vo.synthetic.scene import Rectangles, boxes, rotation_from_vector
from loftr_vo.synthetic.texture_sampling import sample
from loftr_vo.synthetic.textures import TextureBank

SIZE = (48, 64)


def intrinsics(focal=60.0, size=SIZE):
    matrix = torch.eye(3)
    matrix[0, 0] = matrix[1, 1] = focal
    matrix[0, 2], matrix[1, 2] = (size[1] - 1) / 2, (size[0] - 1) / 2
    return matrix[None]


def pose(rotation=(0.0, 0.0, 0.0), position=(0.0, 0.0, 0.0)):
    matrix = torch.eye(4)
    matrix[:3, :3] = rotation_from_vector(torch.tensor(rotation))
    matrix[:3, 3] = torch.tensor(position)
    return matrix[None]


def scene(centres, rotations, half_sizes, density=40.0, size=256):
    count = len(centres)
    turns = rotation_from_vector(torch.tensor(rotations).float())
    return Rectangles(
        centre=torch.tensor(centres).float()[None],
        axes=turns[None, :, :2, :],
        half_size=torch.tensor(half_sizes).float()[None],
        texture=torch.arange(count)[None],
        density=torch.full((1, count), density),
        offset=torch.full((1, count, 2), size / 2),
        contrast=torch.ones(1, count),
        moving=torch.zeros(1, count, dtype=torch.bool),
    )


def bank(count=4, size=256):
    rng = np.random.default_rng(0)
    noise = np.stack([fractal_noise(rng, size) for _ in range(count)])
    return TextureBank.from_textures(torch.from_numpy(noise.astype(np.float32)))


def nearest_along_ray(world, camera_pose, matrix, pixel):
    """Intersect one ray with each rectangle; return the least depth, or None."""
    ray = np.linalg.inv(matrix) @ np.array([*pixel, 1.0])  # z = 1: its multiple is the depth
    direction, origin = camera_pose[:3, :3] @ ray, camera_pose[:3, 3]
    depths = []
    for centre, axes, half in zip(world.centre[0], world.axes[0], world.half_size[0], strict=True):
        centre, axes, half = centre.double().numpy(), axes.double().numpy(), half.numpy()
        normal = np.cross(*axes)
        depth = normal @ (centre - origin) / (normal @ direction)
        inside = np.abs(axes @ (origin + depth * direction - centre)) <= half
        if depth > 0 and inside.all():
            depths.append(depth)
    return min(depths, default=None)


def test_depth_is_where_rays_meet_the_nearest_rectangle():
    rng = np.random.default_rng(3)
    count = 12
    world = scene(
        np.column_stack([rng.uniform(-2, 2, (count, 2)), rng.uniform(2, 8, count)]),
        rng.normal(0, 0.6, (count, 3)),
        rng.uniform(0.3, 2.0, (count, 2)),
    )
    world = dataclasses.replace(world, texture=torch.zeros(1, count, dtype=torch.long))
    camera_pose, matrix = pose((0.1, -0.2, 0.05), (0.3, -0.1, -0.4)), intrinsics()
    seen = render(world, bank(1), camera_pose, matrix, SIZE)
    hits = 0
    for _ in range(400):
        x, y = int(rng.integers(SIZE[1])), int(rng.integers(SIZE[0]))
        around = [
            nearest_along_ray(
                world,
                camera_pose[0].double().numpy(),
                matrix[0].double().numpy(),
                (x + dx, y + dy),
            )
            for dx, dy in itertools.product((-0.01, 0.0, 0.01), repeat=2)
        ]
        found = float(seen.depth[0, y, x])
        if all(depth is None for depth in around):
            assert found == pytest.approx(BACKGROUND_DEPTH)
        elif None not in around and np.ptp(around) < 0.01:  # not on an outline
            assert found == pytest.approx(around[4], rel=1e-4)
            hits += 1
    assert hits > 150


@pytest.mark.parametrize('group', [1, 3, 8, 64])
def test_rectangles_found_in_groups_are_those_found_in_turn(group):
    random = torch.Generator().manual_seed(2)
    first = torch.rand(2, 21, 24, generator=random) * 40 - 4
    last = first + torch.rand(2, 21, 24, generator=random) * 12 - 2
    depths = torch.rand(2, 21, 24, generator=random) * 0.5 + 0.1
    slopes = torch.randn(2, 21, 1, generator=random) * 1e-3
    # Equally deep ones, in the same group and in others, and one that no row shows.
    for copy in (6, 14):
        for values in (first, last, depths, slopes):
            values[:, copy] = values[:, 5]
    first[:, 9], last[:, 9] = torch.inf, -torch.inf
    of_rectangles = (first, last, depths, slopes, torch.arange(32.0))
    nearest, chosen = nearest_in_turn(*of_rectangles)
    assert (chosen < 0).any() and (chosen == 5).any() and not (chosen == 6).any()
    grouped, chosen_of_group = nearest_in_groups(*of_rectangles, group)
    assert torch.equal(grouped, nearest)
    assert torch.equal(chosen_of_group, chosen)


def test_rotations_are_those_of_their_vectors():
    vectors = np.random.default_rng(4).normal(0, 1.5, (40, 3))
    vectors[:4] = [[0, 0, 0], [1e-7, 0, 0], [0, np.pi, 0], [0, 0, -1e-3]]
    expected = Rotation.from_rotvec(vectors).as_matrix()
    assert np.abs(rotation_from_vector(torch.tensor(vectors)).numpy() - expected).max() < 1e-12
    single = rotation_from_vector(torch.tensor(vectors).float().view(4, 10, 3))
    assert single.shape == (4, 10, 3, 3)
    assert np.abs(single.view(-1, 3, 3).numpy() - expected).max() < 2e-6


def test_the_faces_of_boxes_meet_at_their_corners():
    random = torch.Generator().manual_seed(3)
    centre = torch.randn(2, 3, 3, generator=random)
    rotation = rotation_from_vector(torch.randn(2, 3, 3, generator=random))
    half = torch.rand(2, 3, 3, generator=random) + 0.5
    density = torch.rand(2, 3, generator=random) + 1
    contrast = torch.rand(2, 3, generator=random)
    faces = boxes(centre, rotation, half, bank(5), density, random, contrast)
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=2)))
    spans = torch.einsum('su,bpu,bpuk->bpsk', signs, faces.half_size, faces.axes)
    corners = faces.centre[:, :, None] + spans  # (B, 6 N, 4, 3)
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)))
    for b, n in itertools.product(range(2), range(3)):
        expected = centre[b, n] + (signs * half[b, n]) @ rotation[b, n].T
        apart = torch.cdist(corners[b, n::3].reshape(-1, 3), expected)
        nearest, which = apart.min(dim=1)
        assert nearest.max() < 1e-5
        # Each corner belongs to three of the six faces, which lie on both sides of the box.
        assert which.bincount(minlength=8).tolist() == [3] * 8
        assert len({tuple(row) for row in which.view(6, 4).sort().values.tolist()}) == 6
        assert (faces.density[b, n::3] == density[b, n]).all()
        assert (faces.contrast[b, n::3] == contrast[b, n]).all()
    assert faces.texture.shape == (2, 18) and len(faces.texture.unique()) == 5
    assert len(faces.offset.reshape(-1, 2).unique(dim=0)) == 36


def test_two_views_of_a_plane_differ_by_its_homography():
    world = scene([[0.0, 0.0, 3.0]], [[0.3, -0.2, 0.1]], [[20.0, 20.0]])
    textures, matrix = bank(1), intrinsics()
    moved = pose((0.03, 0.08, -0.05), (0.3, 0.1, 0.2))
    first = render(world, textures, pose(), matrix, SIZE, supersampling=2).image[0].numpy()
    second = render(world, textures, moved, matrix, SIZE, supersampling=2).image[0].numpy()

    # Hartley and Zisserman, 2nd ed., equation 13.2, for the plane n . x = d.
    normal = np.cross(*world.axes[0, 0].double().numpy())
    distance = normal @ world.centre[0, 0].double().numpy()
    second_from_first = np.linalg.inv(moved[0].double().numpy())
    k = matrix[0].double().numpy()
    motion = second_from_first[:3, :3] + np.outer(second_from_first[:3, 3], normal) / distance
    homography = k @ motion @ np.linalg.inv(k)
    options = {'flags': cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, 'borderValue': -1.0}
    warped = cv2.warpPerspective(second, homography, SIZE[::-1], **options)
    inside = cv2.erode((warped >= 0).astype(np.uint8), np.ones((5, 5))) > 0
    assert inside.mean() > 0.5
    assert np.abs(warped - first)[inside].mean() < 0.006
    assert np.abs(second - first)[inside].mean() > 0.05


def test_the_nearer_rectangle_hides_the_farther():
    world = scene([[0, 0, 5], [0, 0, 2]], [[0, 0, 0], [0, 0, 0]], [[9, 9], [0.3, 0.3]])
    seen = render(world, bank(2), pose(), intrinsics(), SIZE)
    assert seen.depth[0, 24, 32] == pytest.approx(2.0, rel=1e-5)
    assert seen.depth[0, 24, 5] == pytest.approx(5.0, rel=1e-5)


def test_rectangles_behind_the_camera_leave_the_background_which_has_no_parallax():
    world = scene([[0, 0, -3]], [[0, 0, 0]], [[9, 9]])
    textures, matrix = bank(1), intrinsics()
    here = render(world, textures, pose(), matrix, SIZE)
    there = render(world, textures, pose(position=(0.5, 0.0, 0.2)), matrix, SIZE)
    turned = render(world, textures, pose(rotation=(0.0, 0.2, 0.0)), matrix, SIZE)
    assert torch.allclose(here.depth, torch.tensor(BACKGROUND_DEPTH))
    assert torch.allclose(here.image, there.image, atol=1e-4)
    assert (here.image - turned.image).abs().mean() > 0.01


def test_moving_rectangles_are_marked_and_moved():
    world = scene([[0, 0, 5], [0, 0, 2]], [[0, 0, 0], [0, 0, 0]], [[9, 9], [0.3, 0.3]])
    world = dataclasses.replace(world, moving=torch.tensor([[False, True]]))
    shifted = world.moved(torch.full((1, 2, 3), 0.5))
    assert torch.equal(shifted.centre[0, 0], world.centre[0, 0])
    assert torch.allclose(shifted.centre[0, 1], world.centre[0, 1] + 0.5)
    seen = render(world, bank(2), pose(), intrinsics(), SIZE)
    assert torch.equal(seen.moving, seen.depth < 3)
    assert 0 < seen.moving.sum() < seen.moving.numel()


def test_every_level_of_every_texture_is_found():
    tones = torch.tensor([0.1, 0.4, 0.8])
    textures = TextureBank.from_textures(tones[:, None, None].expand(3, 64, 64).contiguous())
    for step in (0.5, 1.0, 3.0, 8.0, 40.0, 1000.0):
        index = torch.arange(3)[:, None].expand(3, 50)
        place = torch.rand(3, 50, 2, generator=torch.Generator().manual_seed(0)) * 500 - 250
        jacobian = step * torch.eye(2).expand(3, 50, 2, 2)
        value = sample(textures, index, place, jacobian, taps=2)
        assert torch.allclose(value, tones[:, None].expand_as(value), atol=1e-6)


def checkers(size=256):
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing='ij')
    return TextureBank.from_textures(((x + y) % 2).float()[None])


def test_far_checkers_do_not_shimmer():
    """A pixel that covers many squares stays grey wherever it falls, unlike a point sample."""
    textures = checkers()
    shifts = torch.rand(200, 2, generator=torch.Generator().manual_seed(1)) * 20 + 100
    index = torch.zeros(200, dtype=torch.long)
    footprint = torch.tensor([[9.0, 0.0], [0.0, 6.0]]).expand(200, 2, 2)
    covered = sample(textures, index, shifts, footprint, taps=4)
    points = sample(textures, index, shifts.floor() + 0.5, 0 * footprint, taps=1)
    assert points.std() > 0.45
    assert covered.std() < 0.01
    assert covered.mean() == pytest.approx(0.5, abs=0.01)


def test_taps_keep_detail_across_a_long_footprint():
    """Stripes along the direction in which a floor is foreshortened stay visible."""
    x = torch.arange(256)
    textures = TextureBank.from_textures(((x // 8) % 2).float().expand(256, 256)[None].clone())
    place = torch.stack([torch.linspace(64, 192, 100), torch.full((100,), 128.0)], -1)
    index = torch.zeros(100, dtype=torch.long)
    footprint = torch.tensor([[1.0, 0.0], [0.0, 32.0]]).expand(100, 2, 2)
    contrast = {
        taps: float(sample(textures, index, place, footprint, taps).std()) for taps in (1, 8)
    }
    assert contrast[8] > 0.35
    assert contrast[1] < 0.1


@pytest.mark.parametrize('taps', [1, 2, 4])
def test_footprints_lie_around_their_position(taps):
    ramp = torch.linspace(0, 1, 256)
    textures = TextureBank.from_textures(ramp.expand(256, 256)[None].clone())
    place = torch.stack([torch.linspace(64, 192, 100), torch.full((100,), 128.0)], -1)
    index = torch.zeros(100, dtype=torch.long)
    footprint = torch.tensor([[12.0, 0.0], [0.0, 2.0]]).expand(100, 2, 2)
    value = sample(textures, index, place, footprint, taps)
    # Texel k has its centre at k + 1/2.
    assert torch.allclose(value, (place[:, 0] - 0.5) / 255, atol=1e-3)


def test_past_its_ends_a_texture_is_mirrored():
    generator = torch.Generator().manual_seed(2)
    textures = TextureBank.from_textures(torch.rand(1, 32, 32, generator=generator))
    inside = 32 * torch.rand(100, 2, generator=generator)
    index = torch.zeros(100, dtype=torch.long)
    for step in (1.0, 3.0):
        footprint = step * torch.eye(2).expand(100, 2, 2)
        expected = sample(textures, index, inside, footprint, taps=1)
        for beyond in (-inside, 64 - inside, inside - 128, inside + 64):
            value = sample(textures, index, beyond, footprint, taps=1)
            assert torch.allclose(value, expected, atol=1e-4)


def test_supersampling_averages_outlines():
    world = scene([[0, 0, 5], [0.013, 0, 2]], [[0, 0, 0], [0, 0, 0]], [[9, 9], [0.3, 0.3]])
    dark_on_light = TextureBank.from_textures(
        torch.tensor([1.0, 0.0])[:, None, None].expand(2, 16, 16).contiguous()
    )
    options = {'taps': 1, 'supersampling': 4}
    image = render(world, dark_on_light, pose(), intrinsics(), SIZE, **options).image
    hard = render(world, dark_on_light, pose(), intrinsics(), SIZE, taps=1).image
    assert set(hard.round(decimals=3).unique().tolist()) == {0.0, 1.0}
    between = (image > 0.05) & (image < 0.95)
    assert between.any()
    assert image.mean() == pytest.approx(float(hard.mean()), abs=0.02)


def test_textures_need_a_side_that_is_a_power_of_two():
    with pytest.raises(ValueError, match='power of two'):
        TextureBank.from_textures(torch.zeros(1, 48, 48))


@pytest.mark.parametrize('painter', PAINTERS, ids=lambda painter: painter.__name__)
def test_painters_are_determined_by_their_seed(painter):
    first, same, other = (
        painter(np.random.default_rng(seed), 64).astype(np.float32) for seed in (5, 5, 6)
    )
    assert first.shape == (64, 64)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_pairs_are_determined_by_their_seed():
    textures = TextureBank.random(6, 64, seed=1)
    drawn = [PairGenerator(textures, seed).draw(2, (32, 40)) for seed in (7, 7, 8)]
    for field in dataclasses.fields(drawn[0]):
        values = [getattr(pairs, field.name) for pairs in drawn]
        assert torch.equal(values[0], values[1]), field.name
    assert not torch.equal(drawn[0].images, drawn[2].images)


def test_pairs_have_the_shapes_and_ranges_that_they_say():
    pairs = PairGenerator(TextureBank.random(6, 64, seed=1), seed=2).draw(3, (32, 40))
    assert pairs.images.shape == (2, 3, 1, 32, 40)
    assert pairs.depths.shape == pairs.moving.shape == (2, 3, 32, 40)
    assert pairs.images.min() >= 0 and pairs.images.max() <= 1
    assert pairs.depths.min() > 0
    rotation = pairs.second_from_first[:, :3, :3]
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3).expand(3, 3, 3), atol=1e-5)


def pictures():
    return torch.rand(6, 1, 24, 32, generator=torch.Generator().manual_seed(0))


def test_photometry_stays_in_range_and_is_determined_by_its_seed():
    lit = [
        random_photometry(pictures(), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    ]
    assert lit[0].min() >= 0 and lit[0].max() <= 1
    assert torch.equal(lit[0], lit[1])
    assert not torch.equal(lit[0], lit[2])
    assert torch.equal((lit[0] * 255).round() / 255, lit[0])
    assert (lit[0] - pictures()).abs().mean() > 0.03


def test_photometry_of_no_strength_leaves_pictures_nearly_as_they_are():
    """What is left is the rounding to 8 bits and 1.6 % of each neighbour by the narrowest lens."""
    images = pictures()
    unlit = random_photometry(images, torch.Generator().manual_seed(1), strength=0.0)
    assert (unlit - images).abs().max() < 0.02
    flat = torch.full((2, 1, 16, 16), 100 / 255)
    unlit = random_photometry(flat, torch.Generator().manual_seed(1), strength=0.0)
    assert torch.allclose(unlit, flat, atol=1e-6)


def test_blur_kernels_are_drawn_out_along_their_line():
    def value(number):
        return torch.tensor(number).view(1, 1, 1, 1)

    sharp = blur_kernels(value(0.0), value(0.0), value(0.0), 9)[0]
    across = blur_kernels(value(0.0), value(3.0), value(0.0), 9)[0]
    down = blur_kernels(value(0.0), value(3.0), value(np.pi / 2), 9)[0]
    round_ = blur_kernels(value(1.5), value(0.0), value(0.0), 9)[0]
    for kernel in (sharp, across, down, round_):
        assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
    assert sharp[4, 4] > 0.98
    assert across[4].sum() > 0.95
    assert torch.allclose(down, across.T, atol=1e-5)
    assert torch.allclose(round_, round_.T, atol=1e-6)
