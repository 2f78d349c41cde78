# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What lies between the light and the grey value: exposure, lens, blur, noise, compression.

All functions take and return (B, 1, H, W) float32 pictures in [0, 1], one draw for each picture.
"""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F

from loftr_vo.synthetic.constants import constant

Strength = float | torch.Tensor


def random_photometry(
    images: torch.Tensor, generator: torch.Generator, strength: Strength = 1.0
) -> torch.Tensor:
    """Light, lens and sensor as they differ between two pictures of one place.

    Args:
        images: (B, 1, H, W) in [0, 1].
        generator: source of randomness, on the same device.
        strength: 0 leaves the pictures as they are, 1 is the full range; one for all or
            (B, 1, 1, 1), one for each.
    """
    if isinstance(strength, float) and strength == 0:
        return images
    images = random_shadow(images, generator, strength)
    images = random_cast_shadow(images, generator, strength)
    images = random_glare(images, generator, strength)
    images = random_blur(images, generator, strength)
    images = random_exposure(images, generator, strength)
    images = random_noise(images, generator, strength)
    return random_compression(images, generator, strength)


def random_exposure(
    images: torch.Tensor, generator: torch.Generator, strength: Strength
) -> torch.Tensor:
    """Gamma, gain, offset and vignette."""
    random = _uniform(images, generator, 5)
    gamma = torch.exp(strength * 0.5 * random[0])
    gain = torch.exp(strength * 0.45 * random[1])
    offset = strength * 0.1 * random[2]
    # One picture in six is dark: its sensor was given a fraction of the light.
    dark = torch.where(random[3] > 0.67, 1 - strength * 0.8 * (random[4] + 1) / 2, 1.0)
    images = images.clamp(1e-4, 1) ** gamma
    images = ((images - 0.5) * gain + 0.5 + offset) * dark
    return (images * _vignette(images, generator, strength)).clamp(0, 1)


def _vignette(
    images: torch.Tensor, generator: torch.Generator, strength: Strength
) -> torch.Tensor:
    random = _uniform(images, generator, 3)
    x, y = _coordinates(images)
    fall_off = (random[0] + 1) * 0.15 * strength
    return 1 - fall_off * ((x - 0.2 * random[1]) ** 2 + (y - 0.2 * random[2]) ** 2)


def random_shadow(
    images: torch.Tensor, generator: torch.Generator, strength: Strength
) -> torch.Tensor:
    """Smooth light and shade across the picture, on half of the pictures."""
    coarse = torch.randn(len(images), 1, 3, 4, generator=generator, device=images.device)
    shade = F.interpolate(coarse, images.shape[-2:], mode='bicubic', align_corners=False)
    amount = (_uniform(images, generator, 1)[0]).clamp_min(0) * 0.35 * strength
    return (images * torch.exp(amount * shade)).clamp(0, 1)


def random_cast_shadow(
    images: torch.Tensor, generator: torch.Generator, strength: Strength
) -> torch.Tensor:
    """Half of the picture in the shade, with an edge from sharp to soft; on one picture in five.

    The shadow lies differently in each picture of a pair, as that of something that passes by.
    """
    random = _uniform(images, generator, 5)
    x, y = _coordinates(images)
    angle = random[0] * math.pi
    along = x * torch.cos(angle) + y * torch.sin(angle) - 0.7 * random[1]
    softness = torch.exp(-2.5 + 1.5 * random[2])
    shade = torch.sigmoid(along / softness)
    depth = 0.35 * (random[3] + 1) * strength * (random[4] > 0.6)
    return images * (1 - depth * shade)


def random_glare(
    images: torch.Tensor, generator: torch.Generator, strength: Strength
) -> torch.Tensor:
    """A lamp or its reflection, with a veil around it; on one picture in six."""
    random = _uniform(images, generator, 5)
    x, y = _coordinates(images)
    squared = (x - random[0]) ** 2 + (y - 0.75 * random[1]) ** 2
    size = torch.exp(-2.2 + random[2])
    spot = torch.exp(-squared / (2 * size**2)) + 0.15 * torch.exp(-squared / (8 * size**2 + 0.5))
    amount = (random[3] + 1.2) * strength * (random[4] > 0.67)
    return (images + amount * spot).clamp(0, 1)


def random_noise(
    images: torch.Tensor, generator: torch.Generator, strength: Strength
) -> torch.Tensor:
    """Sensor noise, up to 4 % of the range, then rounding to 8 bits."""
    level = (_uniform(images, generator, 1)[0] + 1) / 2
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    noisy = (images + noise * strength * 0.04 * level**2).clamp(0, 1)
    return (noisy * 255).round() / 255


def random_blur(
    images: torch.Tensor, generator: torch.Generator, strength: Strength, side: int = 13
) -> torch.Tensor:
    """Defocus or motion blur, each on a quarter of the pictures."""
    random = _uniform(images, generator, 3)
    defocus = ((random[0] - 0.5) * 2).clamp_min(0) * 1.5 * strength  # standard deviation, pixels
    motion = ((-random[0] - 0.5) * 2).clamp_min(0) * (side - 1) / 2 * strength  # half length
    angle = random[1] * math.pi
    return _convolve_each(images, blur_kernels(defocus, motion, angle, side))


def blur_kernels(
    defocus: torch.Tensor, motion: torch.Tensor, angle: torch.Tensor, side: int
) -> torch.Tensor:
    """(B, side, side) kernels summing to one: a Gaussian drawn out along a line.

    Args:
        defocus: (B, 1, 1, 1) standard deviation across, in pixels.
        motion: (B, 1, 1, 1) half the length of the line, in pixels.
        angle: (B, 1, 1, 1) of the line, in radians.
        side: odd side of the kernel.
    """
    reach = torch.arange(side, device=angle.device) - side // 2
    y, x = torch.meshgrid(reach.float(), reach.float(), indexing='ij')
    angle, motion, defocus = angle[:, 0], motion[:, 0], defocus[:, 0]
    along = x * torch.cos(angle) + y * torch.sin(angle)
    across = -x * torch.sin(angle) + y * torch.cos(angle)
    beyond = (along.abs() - motion).clamp_min(0)
    # A standard deviation of 0.3 px keeps a picture that is to stay sharp as it is.
    width = defocus.clamp_min(0.3)
    kernel = torch.exp(-(beyond**2 + across**2) / (2 * width**2))
    return kernel / kernel.sum((-2, -1), keepdim=True)


def random_compression(
    images: torch.Tensor, generator: torch.Generator, strength: Strength
) -> torch.Tensor:
    """JPEG at a quality of 25 to 95, on two pictures in five."""
    random = _uniform(images, generator, 2)
    quality = 95 - 35 * strength * (random[0] + 1)
    return torch.where(random[1] > 0.2, compress(images, quality), images)


def compress(images: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """Return what JPEG leaves of grey pictures: the rounded cosine transform of 8 x 8 blocks.

    Args:
        images: (B, 1, H, W) in [0, 1], H and W multiples of 8.
        quality: (B, 1, 1, 1), 1 to 100, as libjpeg scales its table (ITU T.81, table K.1).
    """
    height, width = images.shape[-2:]
    transform = _cosine_transform(images.device)
    quality = quality.clamp(1, 100)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    steps = constant(_LUMINANCE_STEPS, images.device) * scale[..., None, None]
    steps = (steps + 0.5).floor().clamp(1, 255)  # halves go up in libjpeg
    # (B, rows, 8, columns, 8), then (B, rows, columns, 8, 8)
    blocks = images.view(len(images), height // 8, 8, width // 8, 8).transpose(2, 3)
    spectrum = transform @ (blocks * 255 - 128) @ transform.T
    spectrum = (spectrum / steps[:, 0]).round() * steps[:, 0]
    restored = (transform.T @ spectrum @ transform + 128).round().clamp(0, 255) / 255
    return restored.transpose(2, 3).reshape(images.shape)


@functools.cache
def _cosine_transform(device: torch.device) -> torch.Tensor:
    """(8, 8) orthonormal DCT-II."""
    index = torch.arange(8, device=device)
    matrix = torch.cos(math.pi * (2 * index + 1) * index[:, None] / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix


_LUMINANCE_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


def _convolve_each(images: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    margin = kernels.shape[-1] // 2
    padded = F.pad(images, (margin,) * 4, mode='replicate').transpose(0, 1)
    return F.conv2d(padded, kernels[:, None], groups=len(images)).transpose(0, 1)


def _coordinates(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x (1, W) and y (H, 1), from -1 to 1 across the picture."""
    height, width = images.shape[-2:]
    x = torch.linspace(-1, 1, width, device=images.device)[None]
    y = torch.linspace(-1, 1, height, device=images.device)[:, None]
    return x, y


def _uniform(images: torch.Tensor, generator: torch.Generator, count: int) -> torch.Tensor:
    """(count, B, 1, 1, 1) in [-1, 1)."""
    shape = (count, len(images), 1, 1, 1)
    return torch.rand(shape, generator=generator, device=images.device) * 2 - 1
