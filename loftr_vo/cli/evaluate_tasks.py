# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The tasks that the options of ``loftr_vo evaluate`` ask for, one or more per recording."""

from __future__ import annotations

import argparse
import dataclasses
import os

from loftr_vo.cli.truth_options import read_truth_options
from loftr_vo.config import Settings, replace
from loftr_vo.evaluation.batch import storage
from loftr_vo.evaluation.batch.fingerprint import code_digest
from loftr_vo.evaluation.batch.inputs import expand, with_unique_names
from loftr_vo.evaluation.batch.task import RecordingOptions, Task


def make_tasks(arguments: argparse.Namespace, settings: Settings, alone: bool) -> list[Task]:
    """Return the tasks, in order.

    Args:
        arguments: of the command.
        settings: for all recordings.
        alone: whether the one recording's report goes into the output folder itself.
    """
    shared = RecordingOptions(
        arguments.camera,
        arguments.image_topic,
        arguments.camera_info_topic,
        arguments.depth_topic,
        arguments.right_image_topic,
        arguments.odometry_topic,
        arguments.imu_topic,
        arguments.imu_calibration,
        arguments.mask,
        arguments.mask_margin,
        read_truth_options(arguments),
    )
    first = Task(
        name='',
        source='',
        options=shared,
        settings=settings,
        baseline=arguments.baseline,
        command=arguments.command_line,
        code=code_digest() if arguments.output is not None else '',
        resume=arguments.resume,
        threads=threads_of(arguments) if arguments.jobs or arguments.ray else arguments.threads,
    )
    tasks = []
    for request in with_unique_names(expand(arguments.paths, shared)):
        for repeat in range(1, arguments.repeat + 1):
            folders = [request.name, *([f'repeat-{repeat}'] if arguments.repeat > 1 else [])]
            output = arguments.output
            if output is not None and not alone:
                output = storage.join(output, *folders)
            task = dataclasses.replace(
                first,
                # A single recording has the name that its reader gives it.
                name='' if alone else request.name,
                source=request.source,
                options=request.options,
                settings=replace(settings, request.settings),
                output=output,
                repeat=repeat if arguments.repeat > 1 else 0,
            )
            tasks.append(task)
    return tasks


def threads_of(arguments: argparse.Namespace) -> int:
    """Return the threads of a task: the cores divided among the jobs; one on a cluster."""
    if arguments.threads is not None:
        return int(arguments.threads)
    if arguments.ray is not None:
        return 1
    return max(1, len(os.sched_getaffinity(0)) // arguments.jobs)
