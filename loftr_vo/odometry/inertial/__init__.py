# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""An IMU beside the camera: metres, down, and the motion while the camera sees nothing."""
