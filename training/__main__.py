# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m training``: train the compact weights, or your own."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from training.config import TrainingConfig
from training.curve import draw_curve
from training.head_trainer import HeadTrainer
from training.trainer import LOG, Trainer

REAL_DATA = Path('../shared/data')
SHIPPED_CONFIG = Path(__file__).with_name('compact.yaml')


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(prog='python -m training', description=__doc__)
    parser.add_argument('--config', type=Path, default=SHIPPED_CONFIG)
    parser.add_argument('-o', '--output', type=Path, default=Path('results/training'))
    parser.add_argument('--device', default='cpu', help='cpu, cuda or cuda:N')
    parser.add_argument(
        '--real-data',
        type=Path,
        default=REAL_DATA if REAL_DATA.is_dir() else None,
        metavar='DIR',
        help='sequence folders to validate on too, never trained on (default: %(default)s)',
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format='%(asctime)s %(message)s')
    config = TrainingConfig.from_yaml(arguments.config)
    run = HeadTrainer if config.trained == 'head' else Trainer
    trainer = run(config, arguments.output, arguments.device, arguments.real_data)
    try:
        trainer.run()
    finally:
        draw_curve(arguments.output / LOG, arguments.output / 'curve.png')


if __name__ == '__main__':
    main()
