# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""All faults, and the table of them in docs/reliability.md.

``PYTHONPATH=.:test python test/faults/registry.py`` prints the table.
"""

import textwrap
from collections import Counter

# Imported for what they register, in the order of the table.
import calibration_faults
import command_faults
import compressed_faults
import imu_faults
import oddities  # noqa: F401
import picture_faults
import scale_faults
import service_faults
import start_faults
from fault import ODDITIES, REGISTRY

KINDS = {
    picture_faults.KIND: 'Pictures',
    compressed_faults.KIND: 'Compressed pictures',
    calibration_faults.KIND: 'Calibrations',
    scale_faults.DEPTH: 'Depth images',
    scale_faults.WHEELS: 'Wheels',
    imu_faults.KIND: 'Inertial measurements',
    service_faults.KIND: 'Parameters, services, lifecycle',
    start_faults.KIND: 'Starting and ending',
    command_faults.KIND: 'The command',
}


def table():
    """Return the table, with the counts."""
    counts = Counter(fault.kind for fault in REGISTRY)
    of_kinds = ', '.join(f'{KINDS[kind].lower()} {counts[kind]}' for kind in KINDS)
    lines = textwrap.wrap(f'{len(REGISTRY)} faults: {of_kinds}.', 99)
    for kind, title in KINDS.items():
        lines += [
            '',
            f'### {title}',
            '',
            '| injected | named | where | recovers |',
            '|---|---|---|---|',
        ]
        for fault in REGISTRY:
            if fault.kind == kind:
                named = f'`{fault.named.strip()}`' if fault.named else ''
                cells = (fault.name, named, fault.where, fault.recovers)
                lines.append(f'| {" | ".join(cells)} |')
    lines += ['', '### Odd, and read as they are', '']
    lines += [f'- {oddity.name}' for oddity in ODDITIES]
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    print(table(), end='')
