# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The subcommands of ``loftr_vo``, a module each; every module has ``register(subparsers)``."""
