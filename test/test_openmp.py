# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""OpenMP's short spinning is set before PyTorch is imported, and keeps a user's values."""

import os
import subprocess
import sys

import pytest

ASK = """
import os, sys
from {module} import wait_briefly
assert 'torch' not in sys.modules
wait_briefly()
print(os.environ.get('GOMP_SPINCOUNT'), os.environ.get('OMP_WAIT_POLICY'))
"""


def asked(module, **environment):
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY')
    }
    done = subprocess.run(
        [sys.executable, '-c', ASK.format(module=module)],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize('module', ['loftr_vo.cli.main', 'loftr_vo.ros.node'])
def test_it_is_said_where_torch_is_not_loaded_yet(module):
    if module == 'loftr_vo.ros.node':
        pytest.importorskip('rclpy', reason='rclpy is not installed')
    spins, policy = asked(module)
    assert 0 < int(spins) < 10_000
    assert policy == 'None'


@pytest.mark.parametrize(
    'given', [{'GOMP_SPINCOUNT': '7'}, {'OMP_WAIT_POLICY': 'active'}], ids=['spins', 'policy']
)
def test_what_the_user_has_set_is_left(given):
    spins, policy = asked('loftr_vo.cli.main', **given)
    assert spins == given.get('GOMP_SPINCOUNT', 'None')
    assert policy == given.get('OMP_WAIT_POLICY', 'None')
