# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A camera driver as a process: streams a known scene, each picture with its CameraInfo."""

import argparse

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from scenery import HEIGHT, WIDTH, K, sideways_view
from sensor_msgs.msg import CameraInfo, Image

FRAME = 'camera_optical'


def stamped(message, nanoseconds):
    """Return the message with its header filled in."""
    message.header.frame_id = FRAME
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(nanoseconds, 10**9)
    return message


def camera_info(nanoseconds, k=K, width=WIDTH, height=HEIGHT):
    """Return the scene's calibration, or another."""
    info = CameraInfo(width=width, height=height, distortion_model='plumb_bob', d=[0.0] * 5, k=k)
    return stamped(info, nanoseconds)


def image(nanoseconds, picture, encoding='mono8'):
    """Return a grey picture as a message."""
    height, width = picture.shape
    message = Image(height=height, width=width, step=width, encoding=encoding)
    message.data = picture.tobytes()
    return stamped(message, nanoseconds)


def main():
    """Stream when somebody listens, and end."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--count', type=int, required=True)
    parser.add_argument('--rate', type=float, required=True)
    parser.add_argument('--best-effort', action='store_true')
    options, _ = parser.parse_known_args()
    rclpy.init()
    node = rclpy.create_node('camera_driver')
    reliability = ReliabilityPolicy.RELIABLE
    if options.best_effort:
        reliability = ReliabilityPolicy.BEST_EFFORT
    quality = QoSProfile(depth=options.count, reliability=reliability)
    images = node.create_publisher(Image, 'image', quality)
    infos = node.create_publisher(CameraInfo, 'camera_info', quality)
    sent = 0

    def send():
        nonlocal sent
        stamp = round((10 + sent / options.rate) * 10**9)
        infos.publish(camera_info(stamp))
        images.publish(image(stamp, sideways_view(sent)))
        sent += 1

    while not (images.get_subscription_count() and infos.get_subscription_count()):
        rclpy.spin_once(node, timeout_sec=0.1)
    node.create_timer(1.0 / options.rate, send)
    while sent < options.count:
        rclpy.spin_once(node)
    # What was sent last is still on its way.
    images.wait_for_all_acked()
    rclpy.shutdown()


if __name__ == '__main__':
    main()
