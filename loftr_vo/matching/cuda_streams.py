# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The streams of a GPU, one for each kind of work."""

from __future__ import annotations

from typing import Any, NamedTuple


class CudaStreams(NamedTuple):
    """A device's runtime and its streams, which run at the same time.

    Attributes:
        runtime: see ``CudaRuntime``.
        copy: of pictures to the device.
        encode: of the CNN.
        match: of the matching of two pictures.
    """

    runtime: Any
    copy: Any
    encode: Any
    match: Any
