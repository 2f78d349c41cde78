# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration files as YAML, those that OpenCV's FileStorage wrote among them."""

from __future__ import annotations

from typing import Any

import yaml

# OpenCV heads its files so, with a colon where YAML 1.0 to 1.2 have a space.
_OPENCV_HEADER = '%YAML:1.0'


class _Loader(yaml.SafeLoader):
    """Takes OpenCV's tagged matrices for the mappings they are: rows, cols, dt, data."""


def _matrix(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor('tag:yaml.org,2002:opencv-matrix', _matrix)


def load_calibration(text: str) -> Any:
    """Return what a calibration file says, as ``yaml.safe_load`` does.

    Raises:
        yaml.YAMLError: the text is not YAML.
    """
    return yaml.load(text.removeprefix(_OPENCV_HEADER), _Loader)
