# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A TF of known content in the place of tf2_ros, which pip does not have."""

from types import ModuleType, SimpleNamespace

from nav_msgs.msg import Odometry

from loftr_vo.ros import messages


def stand_in():
    """Return the module, what is sent to it, and its buffer, whose ``mounted`` it looks up."""
    sent = []

    class TransformBroadcaster:
        def __init__(self, node):
            self.pub_tf = node.create_publisher(Odometry, 'unused', 1)

        def sendTransform(self, transform):
            sent.append(transform)

    class Buffer:
        mounted = None

        def lookup_transform(self, target, source, time):
            if Buffer.mounted is None:
                raise LookupError(f'{source} does not exist. ')
            return messages.transform_stamped(0, target, source, Buffer.mounted)

    module = ModuleType('tf2_ros')
    module.TransformBroadcaster = TransformBroadcaster
    module.Buffer = Buffer
    module.TransformListener = lambda buffer, node: SimpleNamespace(unregister=lambda: None)
    return module, SimpleNamespace(sent=sent, buffer=Buffer)
