# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Constants of matching that were tuned, with the figure that each was chosen by.

They are no settings: a change asks for the tables of docs/accuracy.md and docs/benchmarks.md anew.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MatchingTuning:
    """Tuned constants; "not measured" where no figure is recorded for the value itself.

    ``model_sigma``, ``dissimilar_pixels`` and ``network_sigma`` weigh the position of a match.
    Constants of this kind were varied on five rendered streets: the mean ATE went from 0.14 to
    0.19 % in no order, and rooms kept to 0.10 to 0.11 % (docs/accuracy.md, "Rendered sequences").

    Attributes:
        window: pixels, side of Lucas-Kanade's window. Not measured.
        iterations: of Lucas-Kanade at most, forwards. Not measured.
        least_step: pixels; Lucas-Kanade ends at a smaller step, forwards. Not measured.
        iterations_back: of Lucas-Kanade at most, backwards; the check of the return is coarse. Not
            measured.
        least_step_back: pixels; a tenth of ``largest_return``. Not measured.
        largest_return: pixels across the edges, between a point and where tracking forwards and
            backwards ends. Not measured.
        least_eigenvalue: OpenCV's threshold on texture; so low that it rejects next to nothing,
            since texture enters as information. Not measured.
        model_sigma: pixels, error by perspective and changing light within the window. See above.
        dissimilar_pixels: pixels of a window whose difference, beyond noise, is one and the same
            error. See above.
        network_sigma: pixels along an axis, least standard deviation of the network's position.
            See above.
        least_noise: grey levels; rounding, interpolation, compression. Not measured.
        gate: standard deviations between the network's position and Lucas-Kanade's. Not measured.
        gradient_noise: variance of a Scharr gradient per variance of a pixel. The kernel's squares
            sum to 0.23; half as much again covers what differs from window to window. Not
            measured.
        image_size: where the setting is 0. At 480 ``compact`` has 0.03, 0.76 and 1.59 % ATE on
            three recordings, at 640 0.03, 0.80 and 1.71 % for 1.6 times the time.
        large_image_size: the same for published networks on a GPU, where a frame takes 2.63 ms;
            on two CPU cores it takes 1041 ms.
        openmp_spins: turns of the loop in which a thread of GNU OpenMP waits before it sleeps. A
            frame takes 56 ms idle and 117 ms beside a busy core; by default 55 and 291 ms.
        largest_heap_block: bytes; larger blocks are mapped for themselves. 8.9 ms of CPU a frame
            for allocations at 32 MiB, 10.1 ms at 4 MiB.
        most_unused_heap: bytes kept at the heap's end. With one arena and 32 MiB: 30 page faults a
            frame, 10492 by glibc's default.
    """

    window: int = 15
    iterations: int = 20
    least_step: float = 0.03
    iterations_back: int = 10
    least_step_back: float = 0.05
    largest_return: float = 0.5
    least_eigenvalue: float = 1e-6
    model_sigma: float = 0.1
    dissimilar_pixels: int = 25
    network_sigma: float = 0.2
    least_noise: float = 1.0
    gate: float = 3.0
    gradient_noise: float = 0.345
    image_size: int = 480
    large_image_size: int = 640
    openmp_spins: int = 1000
    largest_heap_block: int = 32 << 20
    most_unused_heap: int = 64 << 20


TUNING = MatchingTuning()
