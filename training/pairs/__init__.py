# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""How good matches of single pairs are: the network's beside those of ORB and SIFT."""
