# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What lies between the light and the grey value: exposure, lens, blur, noise.

All functions take and return (B, 1, H, W) float32 pictures in [0, 1], one draw for each picture.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def random_photometry(
    images: torch.Tensor, generator: torch.Generator, strength: float = 1.0
) -> torch.Tensor:
    """Light, lens and sensor as they differ between two pictures of one place.

    Args:
        images: (B, 1, H, W) in [0, 1].
        generator: source of randomness, on the same device.
        strength: 0 leaves the pictures as they are, 1 is the full range.
    """
    if strength == 0:
        return images
    images = random_shadow(images, generator, strength)
    images = random_blur(images, generator, strength)
    images = random_exposure(images, generator, strength)
    return random_noise(images, generator, strength)


def random_exposure(
    images: torch.Tensor, generator: torch.Generator, strength: float
) -> torch.Tensor:
    """Gamma, gain, offset and vignette."""
    random = _uniform(images, generator, 5)
    gamma = torch.exp(strength * 0.5 * random[0])
    gain = torch.exp(strength * 0.45 * random[1])
    offset = strength * 0.1 * random[2]
    # One picture in six is dark: its sensor was given a fraction of the light.
    dark = torch.where(random[3] > 0.67, 1 - strength * 0.7 * (random[4] + 1) / 2, 1.0)
    images = images.clamp(1e-4, 1) ** gamma
    images = ((images - 0.5) * gain + 0.5 + offset) * dark
    return (images * _vignette(images, generator, strength)).clamp(0, 1)


def _vignette(images: torch.Tensor, generator: torch.Generator, strength: float) -> torch.Tensor:
    height, width = images.shape[-2:]
    y = torch.linspace(-1, 1, height, device=images.device)[:, None]
    x = torch.linspace(-1, 1, width, device=images.device)[None]
    fall_off = (_uniform(images, generator, 1)[0] + 1) * 0.15 * strength
    return 1 - fall_off * (x**2 + y**2)


def random_shadow(
    images: torch.Tensor, generator: torch.Generator, strength: float
) -> torch.Tensor:
    """Smooth light and shade across the picture, on half of the pictures."""
    coarse = torch.randn(len(images), 1, 3, 4, generator=generator, device=images.device)
    shade = F.interpolate(coarse, images.shape[-2:], mode='bicubic', align_corners=False)
    amount = (_uniform(images, generator, 1)[0]).clamp_min(0) * 0.35 * strength
    return (images * torch.exp(amount * shade)).clamp(0, 1)


def random_noise(
    images: torch.Tensor, generator: torch.Generator, strength: float
) -> torch.Tensor:
    """Sensor noise, up to 4 % of the range, then rounding to 8 bits."""
    level = (_uniform(images, generator, 1)[0] + 1) / 2
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    noisy = (images + noise * strength * 0.04 * level**2).clamp(0, 1)
    return (noisy * 255).round() / 255


def random_blur(
    images: torch.Tensor, generator: torch.Generator, strength: float, side: int = 9
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


def _convolve_each(images: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    margin = kernels.shape[-1] // 2
    padded = F.pad(images, (margin,) * 4, mode='replicate').transpose(0, 1)
    return F.conv2d(padded, kernels[:, None], groups=len(images)).transpose(0, 1)


def _uniform(images: torch.Tensor, generator: torch.Generator, count: int) -> torch.Tensor:
    """(count, B, 1, 1, 1) in [-1, 1)."""
    shape = (count, len(images), 1, 1, 1)
    return torch.rand(shape, generator=generator, device=images.device) * 2 - 1
