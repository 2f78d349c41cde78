# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures that show nothing, or something else, and messages that are no pictures."""

import time

import cv2
import numpy as np
from fault import TERMINAL, fault
from scenery import sideways_view

KIND = 'picture'
SECOND = 10**9


def shape(rig):
    return rig.scene.camera.height, rig.scene.camera.width


def flat(rig, grey):
    return np.full(shape(rig), grey, np.uint8)


def elsewhere(rig):
    """Return a picture of another scene."""
    height, width = shape(rig)
    return cv2.resize(sideways_view(0), (width, height))


# --- what the picture shows


@fault(KIND, 'a black picture', 'covered: the picture is black')
def black(rig):
    rig.show(flat(rig, 0))


@fault(KIND, 'a white picture', 'blank: the picture is white')
def white(rig):
    rig.show(flat(rig, 255))


@fault(KIND, 'a grey picture without contrast', 'blank: the picture has nothing in it')
def blank(rig):
    rig.show(flat(rig, 128))


@fault(KIND, 'nothing but noise', 'lost: ')
def noise(rig):
    rig.show(np.random.default_rng(0).integers(0, 256, shape(rig), np.uint8))


@fault(KIND, 'a picture blurred beyond recognition', 'lost: ')
def blurred(rig):
    rig.show(cv2.GaussianBlur(rig.picture(), (0, 0), 12.0))


@fault(KIND, 'something smooth that hides nine tenths of the view', 'lost: ')
def occluded(rig):
    picture = rig.picture().copy()
    picture[:, : int(0.9 * picture.shape[1])] = 90
    rig.show(picture)


@fault(KIND, 'a jump cut to another scene', 'lost: ')
def jump_cut(rig):
    rig.show(elsewhere(rig))


@fault(
    KIND,
    'another scene for longer than `recovery.restart_after`',
    'carried over a new start',
    recovers='by a new start, at the last pose',
)
def long_loss(rig):
    picture = elsewhere(rig)
    lost = rig.show(picture)
    rig.until(lambda: rig.ears.state_at(lost), 'answer to the first')
    rig.stamp += 3 * SECOND
    rig.began = time.monotonic()
    rig.show(picture)
    rig.stamp += 3 * SECOND


# --- the size


@fault(KIND, 'a picture of one pixel', 'is 1x1 pixels, but the calibration is for')
def one_pixel(rig):
    rig.show(np.zeros((1, 1), np.uint8))


@fault(KIND, 'one pixel, and a calibration for it', 'PictureError')
def one_pixel_calibrated(rig):
    rig.calibrate(width=1, height=1, k=np.eye(3).ravel())
    rig.settle()
    rig.began = time.monotonic()
    rig.show(np.zeros((1, 1), np.uint8))


@fault(KIND, 'a picture of 12 megapixels', 'is 4000x3000 pixels, but the calibration is for')
def huge(rig):
    rig.show(np.zeros((3000, 4000), np.uint8))


@fault(KIND, 'half of the size that it is calibrated for', 'but the calibration is for')
def half_the_size(rig):
    rig.show(np.ascontiguousarray(rig.picture()[::2, ::2]))


@fault(KIND, 'no pixels: 0x0', 'the picture is empty (0x0')
def no_pixels(rig):
    rig.show(rig.image(flat(rig, 0), width=0, height=0, step=0, data=b''))


@fault(KIND, 'a size of 2^32 - 1 squared', '4294967295x4294967295')
def largest_size(rig):
    rig.show(rig.image(flat(rig, 0), width=2**32 - 1, height=2**32 - 1))


@fault(KIND, 'a step smaller than a line', 'but step is 7')
def small_step(rig):
    rig.show(rig.image(rig.picture(), step=7))


@fault(KIND, 'half of the data', 'but the data has')
def short_data(rig):
    picture = rig.picture()
    rig.show(rig.image(picture, data=picture.tobytes()[: picture.size // 2]))


@fault(KIND, 'no data', 'but the data has 0')
def no_data(rig):
    rig.show(rig.image(rig.picture(), data=b''))


# --- the encoding


@fault(KIND, 'an encoding that nobody knows', "'mystery8' is not supported")
def unknown_encoding(rig):
    rig.show(rig.image(rig.picture(), 'mystery8'))


@fault(KIND, 'an empty encoding, as of a message that was not filled in', "'' is not")
def empty_encoding(rig):
    rig.show(rig.image(rig.picture(), ''))


@fault(KIND, 'an encoding of 100,000 characters', 'is not supported')
def long_encoding(rig):
    rig.show(rig.image(rig.picture(), 'x' * 100_000))


@fault(KIND, 'an encoding of control characters', 'is not supported')
def unprintable_encoding(rig):
    rig.show(rig.image(rig.picture(), 'mono8\x1b[2J\r\n'))


@fault(KIND, 'a depth image in the place of the picture', "'32FC1' is not supported")
def depth_as_picture(rig):
    rig.show(rig.image(np.ones(shape(rig), np.float32), '32FC1'))


@fault(KIND, 'a coloured encoding on grey data', 'a line of')
def colour_of_grey(rig):
    rig.show(rig.image(rig.picture(), 'rgb8'))


@fault(KIND, '300 bad pictures at once, each with another complaint', 'is not supported')
def flood_of_bad_pictures(rig):
    picture = rig.picture()
    for number in range(300):
        rig.show(rig.image(picture, f'mystery{number}'))


# --- when they come


@fault(
    KIND,
    'the camera is silent',
    'no image on',
    recovers='with the next picture',
)
def silence(rig):
    rig.set_parameters(input_timeout=0.2)
    yield
    rig.set_parameters(input_timeout=rig.INPUT_TIMEOUT)


@fault(KIND, 'a second of 100 pictures, more than can be worked on', 'overloaded: ')
def burst(rig):
    picture = rig.picture()
    for _ in range(100):
        rig.show(picture)
        time.sleep(0.01)


# --- stamps


@fault(KIND, 'a stamp of zero', 'picture refused')
def stamp_zero(rig):
    rig.show(rig.picture(), 0)


@fault(KIND, 'a negative stamp', 'picture refused')
def stamp_negative(rig):
    rig.show(rig.picture(), -5 * SECOND)


@fault(KIND, 'a stamp 0.1 s before the last', 'is not after the one before')
def stamp_back(rig):
    rig.show(rig.picture(), rig.stamp - SECOND // 10)


@fault(KIND, 'the last stamp again', 'is not after the one before')
def stamp_again(rig):
    rig.show(rig.picture(), rig.stamp)


@fault(KIND, 'one stamp an hour in the future', 'picture refused')
def stamp_in_the_future(rig):
    rig.show(rig.picture(), rig.stamp + 3600 * SECOND)


@fault(KIND, 'the largest stamp that a message can carry', 'picture refused')
def stamp_largest(rig):
    message = rig.image(rig.picture())
    message.header.stamp.sec, message.header.stamp.nanosec = 2**31 - 1, 2**32 - 1
    message.header.frame_id = 'camera_optical_frame'
    rig.images.publish(message)


@fault(
    KIND,
    'a clock that is set back by a minute',
    'starts anew',
    TERMINAL,
    'by a start anew, once several stamps agree',
)
def clock_set_back(rig):
    rig.stamp -= 60 * SECOND
    for _ in range(5):
        rig.show(rig.picture())
