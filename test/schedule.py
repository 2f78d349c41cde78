# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""In which order files of tests are run, and which of them by one worker of pytest-xdist."""

from xdist.scheduler import LoadFileScheduling

# These follow the same rendered sequences; see rendered_films.py.
_OF_ONE_WORKER = (
    'test_view_mask.py',
    'test_accuracy.py',
    'test_consistency.py',
    'test_bit_depth.py',
)

# A long file that is begun last leaves the other workers idle. Those that take more than a minute
# come first, the longest before the others.
_LONGEST_FIRST = (
    *_OF_ONE_WORKER,
    'faults/test_live_faults.py',
    'test_camera_step.py',
    'test_readout.py',
    'test_loftr_fused.py',
    'test_node_process.py',
    'test_demo.py',
    'test_host_memory.py',
    'test_odometry.py',
    'test_scale.py',
    'test_node_replay.py',
    'test_walking_by.py',
    'test_synthetic_sequence.py',
)


class FileScheduling(LoadFileScheduling):
    """Gives workers whole files, and some of them several at once, in the order of the items."""

    def __init__(self, config, log):
        # Else the files with the most tests come first, which are not the longest.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid):
        scope = super()._split_scope(nodeid)
        return 'of one worker' if scope.endswith(_OF_ONE_WORKER) else scope


def place_of(file):
    """Return what to sort files by, each relative to the tests' folder."""
    return _LONGEST_FIRST.index(file) if file in _LONGEST_FIRST else len(_LONGEST_FIRST)
