# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The real node as a process, with an odometry that is slow or fails as it is told to."""

import argparse
import sys
import time

from forward_odometry import ForwardOdometry

from loftr_vo.ros.loading import load_odometry
from loftr_vo.ros.node import run
from loftr_vo.ros.odometry_node import VisualOdometryNode

# What PyTorch says of a GPU, in its own types and words.
FAULTS = {
    'memory': 'CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of '
    '7.79 GiB of which 4.00 MiB is free.',
    'lost': 'CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously '
    'reported at some other API call.',
}


def slow(options):
    """Return a loader of an odometry that takes its time."""

    def load(settings, report):
        report('loading slowly')
        time.sleep(options.load_seconds)
        odometry = ForwardOdometry()
        odometry.seconds = options.frame_seconds
        return odometry

    return load


def failing(options):
    """Return a loader of the real odometry, whose device fails in mid-run."""
    loads = encoded = 0

    def load(settings, report):
        nonlocal loads
        import torch

        from loftr_vo.matching.device import device_faults

        kinds = {'memory': torch.cuda.OutOfMemoryError, 'lost': RuntimeError}
        error = kinds[options.fault](FAULTS[options.fault])
        loads += 1
        if 1 < loads <= 1 + options.failing_loads:
            with device_faults(torch.device('cuda:0')):
                raise error
        odometry = load_odometry(settings, report)
        encode = odometry._matcher.encode

        def encode_or_fail(image):
            nonlocal encoded
            encoded += 1
            if encoded == options.at:
                with device_faults(torch.device('cuda:0')):
                    raise error
            return encode(image)

        odometry._matcher.encode = encode_or_fail
        return odometry

    return load


def main():
    """Run the node until a signal ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--load-seconds', type=float, default=0.0)
    parser.add_argument('--frame-seconds', type=float, default=0.0)
    parser.add_argument('--fault', choices=FAULTS)
    parser.add_argument('--at', type=int, help='number of the picture that the fault is at')
    parser.add_argument('--failing-loads', type=int, default=0, help='after the first')
    options, _ = parser.parse_known_args()
    load = failing(options) if options.fault else slow(options)
    return run(lambda: VisualOdometryNode(load))


if __name__ == '__main__':
    sys.exit(main())
