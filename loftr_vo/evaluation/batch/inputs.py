# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The recordings that arguments of the command name: paths, folders, globs, lists, URLs."""

from __future__ import annotations

import dataclasses
import glob
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loftr_vo.datasets import DatasetError
from loftr_vo.datasets.opening import is_recording
from loftr_vo.evaluation.batch import storage
from loftr_vo.evaluation.batch.task import RecordingOptions, safe_name
from loftr_vo.evaluation.ground_truth import TruthOptions, parse_extrinsics
from loftr_vo.files.limited_yaml import read_yaml
from loftr_vo.files.regular_file import read_text
from loftr_vo.files.text import printable
from loftr_vo.imaging.view_mask import check_margin

# Depth of the search for recordings in a folder.
_LEVELS = 6
_PATHS = ('camera', 'mask', 'imu_calibration')
_TOPICS = (
    'image_topic',
    'camera_info_topic',
    'depth_topic',
    'right_image_topic',
    'odometry_topic',
    'imu_topic',
)
_TRUTH = ('ground_truth', 'ground_truth_topic', 'ground_truth_tf', 'extrinsics')
_KEYS = ('path', 'name', 'set', 'mask_margin', *_PATHS, *_TOPICS, *_TRUTH)


@dataclass(frozen=True, eq=False)
class Request:
    """A recording that is asked for.

    Attributes:
        source: its path or URL.
        name: unique name; empty until ``with_unique_names``.
        options: how it is opened and scored.
        settings: names and values of settings that are for it alone.
    """

    source: str
    name: str
    options: RecordingOptions
    settings: dict[str, Any] = field(default_factory=dict)


def expand(words: list[str], options: RecordingOptions) -> list[Request]:
    """Return the recordings that words of the command line name, in their order.

    Args:
        words: each a recording, a folder of recordings, a glob, a URL or a glob of URLs, or
            ``@FILE``, a list of these: a line each, or YAML with options.
        options: of those that have none of their own.

    Raises:
        DatasetError: a word names nothing, or a list cannot be understood.
    """
    found: list[Request] = []
    for word in words:
        requests = list(_expand(word, options))
        if not requests:
            raise DatasetError(f'there is no recording at {word}')
        found += requests
    return found


def names_one(words: list[str]) -> bool:
    """Whether the words name one recording and no collection, which may have one only."""
    if len(words) != 1:
        return False
    word = words[0]
    if storage.is_url(word):
        return not glob.has_magic(word)
    return not word.startswith('@') and (Path(word).exists() or not glob.has_magic(word))


def with_unique_names(requests: list[Request]) -> list[Request]:
    """Return requests with unique names; reports go into folders of these names."""
    plain = [request.name or _plain_name(request.source) for request in requests]
    counts = Counter(plain)
    taken: set[str] = set()
    named = []
    for request, short in zip(requests, plain, strict=True):
        name = f'{_parent(request.source)}-{short}' if counts[short] > 1 else short
        unique, number = name, 1
        while unique in taken:
            number += 1
            unique = f'{name}-{number}'
        taken.add(unique)
        named.append(dataclasses.replace(request, name=unique))
    return named


def is_folder_of_recordings(word: str) -> bool:
    """Whether a word names a local folder that is no recording but has some in it."""
    path = Path(word)
    return (
        not storage.is_url(word)
        and path.is_dir()
        and not is_recording(path)
        and next(_search(path, _LEVELS), None) is not None
    )


def _expand(word: str, options: RecordingOptions) -> Iterator[Request]:
    if word.startswith('@'):
        yield from _read_list(Path(word[1:]), options)
        return
    if storage.is_url(word):
        places = storage.find(word) if glob.has_magic(word) else [word]
    elif not Path(word).exists() and glob.has_magic(word):
        places = sorted(path for path in glob.glob(word, recursive=True))
    elif is_folder_of_recordings(word):
        places = [str(path) for path in _search(Path(word), _LEVELS)]
    else:
        # Also where nothing exists: opening it raises the right error.
        places = [word]
    for place in places:
        yield Request(place, '', options)


def _search(folder: Path, levels: int) -> Iterator[Path]:
    """Yield the recordings in a folder and its folders, in the order of their names."""
    for child in sorted(folder.iterdir()):
        if child.name.startswith('.'):
            continue
        if is_recording(child):
            yield child
        elif child.is_dir() and not child.is_symlink() and levels > 1:
            yield from _search(child, levels - 1)


def _read_list(path: Path, options: RecordingOptions) -> Iterator[Request]:
    if path.suffix.lower() not in ('.yaml', '.yml'):
        for line in read_text(path, DatasetError).splitlines():
            word = line.strip()
            if word and not word.startswith('#'):
                yield from _expand(_beside(path, word), options)
        return
    entries = read_yaml(path, DatasetError)
    if not isinstance(entries, list):
        raise DatasetError(f'{path}: expected a list of recordings')
    for number, entry in enumerate(entries, 1):
        values = {'path': entry} if isinstance(entry, str) else entry
        try:
            yield from _expand_entry(path, values, options)
        except (ValueError, TypeError) as error:
            raise DatasetError(f'{path}: recording {number}: {error}') from error


def _expand_entry(path: Path, values: Any, options: RecordingOptions) -> Iterator[Request]:
    if not isinstance(values, dict) or not isinstance(values.get('path'), str):
        raise DatasetError('expected a path, or a mapping with "path"')
    unknown = sorted(str(key) for key in values.keys() - set(_KEYS))
    if unknown:
        raise DatasetError(f'unknown: {", ".join(unknown)}; known are {", ".join(_KEYS)}')
    settings = values.get('set', {})
    if not isinstance(settings, dict):
        raise DatasetError('"set" must be a mapping of settings')
    changes: dict[str, Any] = {key: str(values[key]) for key in _TOPICS if key in values}
    for key in _PATHS:
        if key in values:
            changes[key] = Path(_beside(path, str(values[key])))
    if 'mask_margin' in values:
        changes['mask_margin'] = check_margin(values['mask_margin'])
    own = dataclasses.replace(options, **changes, truth=_truth_of(path, values, options.truth))
    requests = list(_expand(_beside(path, values['path']), own))
    name = str(values.get('name', ''))
    if name != (name and safe_name(name)):
        raise DatasetError(f'{name!r} cannot be the name of a folder')
    for request in requests:
        yield dataclasses.replace(request, name=printable(name), settings=settings)


def _truth_of(path: Path, values: dict[str, Any], truth: TruthOptions) -> TruthOptions:
    changes: dict[str, Any] = {}
    if 'ground_truth' in values:
        changes['path'] = Path(_beside(path, str(values['ground_truth'])))
    if 'ground_truth_topic' in values:
        changes['topic'] = str(values['ground_truth_topic'])
    if 'ground_truth_tf' in values:
        world, frame = values['ground_truth_tf']
        changes['tf_frames'] = (str(world), str(frame))
    if 'extrinsics' in values:
        given = values['extrinsics']
        text = given if isinstance(given, str) else ' '.join(str(value) for value in given)
        changes['extrinsics'] = parse_extrinsics(text)
    return dataclasses.replace(truth, **changes)


def _beside(path: Path, word: str) -> str:
    """Return a path in a list, which is relative to the list's own folder."""
    return word if storage.is_url(word) else str(path.parent / word)


def _plain_name(source: str) -> str:
    if storage.is_url(source):
        last = source.rstrip('/').rpartition('/')[2]
    else:
        path = Path(source).absolute()
        path = path.parent if path.name == 'mav0' else path
        last = path.resolve().name if path.name in ('', '.', '..') else path.name
    stem = Path(last).stem if Path(last).suffix.lower() in _SUFFIXES else last
    return safe_name(printable(stem))


# Endings of files that are recordings; those of folders are part of the name.
_SUFFIXES = ('.mcap', '.db3', '.bag', '.mp4', '.avi', '.mkv', '.mov')


def _parent(source: str) -> str:
    if storage.is_url(source):
        return source.rstrip('/').split('/')[-2] or 'root'
    return printable(Path(source).resolve().parent.name)
