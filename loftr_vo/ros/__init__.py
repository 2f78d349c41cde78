# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 node: everything that knows rclpy lives here, and nothing imports it but its users."""
