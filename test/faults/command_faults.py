# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What the command is given to read, and where it is to write.

Each fault is done to a copy of a good recording, and returns the words of the command. With a good
copy in its place the same words succeed.
"""

import os
import struct

import numpy as np
from fault import TERMINAL, fault

KIND = 'command'
RESTORED = 'with the same words, once the file is good'
OTHER_NAME = 'with another name'

# With a classical odometry, which takes no time on pictures this small.
EVALUATE = ['evaluate', 'walk', '--baseline', 'lk', '-o', 'report']
MATCH = ['match', 'a.png', 'b.png', '-o']
RUN = ['run', 'walk', '-o', 'result', '--weights', 'random:compact']


def broken(name, named, words=EVALUATE, recovers=RESTORED, good=None):
    """Register a function that breaks what is in a folder; the words are what is run there.

    Args:
        name, named, recovers: see ``Fault``.
        words: of the command.
        good: words that succeed where nothing is broken, if not the same.
    """

    def register(breaks):
        breaks.words, breaks.good = words, good or words
        return fault(KIND, name, named, TERMINAL, recovers)(breaks)

    return register


def overwrite(path, start, data):
    """Write bytes over a part of a file."""
    with path.open('r+b') as file:
        file.seek(start)
        file.write(data)


# --- what is missing


@broken('a recording that is not there', 'no file or folder')
def missing_recording(folder):
    (folder / 'walk').rename(folder / 'elsewhere')


@broken('a recording without camera.yaml', 'camera')
def missing_calibration(folder):
    (folder / 'walk' / 'camera.yaml').unlink()


@broken('a folder of pictures that is empty', 'there are no pictures')
def no_pictures(folder):
    for picture in (folder / 'walk' / 'images').iterdir():
        picture.unlink()


@broken('a recording without ground truth, to be scored', 'ground truth')
def missing_truth(folder):
    (folder / 'walk' / 'groundtruth.txt').unlink()


# --- what is no file


@broken('a FIFO as times.txt', 'times.txt')
def fifo_as_times(folder):
    (folder / 'walk' / 'times.txt').unlink()
    os.mkfifo(folder / 'walk' / 'times.txt')


@broken('a FIFO as camera.yaml', 'camera.yaml')
def fifo_as_calibration(folder):
    (folder / 'walk' / 'camera.yaml').unlink()
    os.mkfifo(folder / 'walk' / 'camera.yaml')


@broken('a FIFO as groundtruth.txt', 'groundtruth.txt')
def fifo_as_truth(folder):
    (folder / 'walk' / 'groundtruth.txt').unlink()
    os.mkfifo(folder / 'walk' / 'groundtruth.txt')


@broken('a folder as times.txt', 'times.txt')
def folder_as_times(folder):
    (folder / 'walk' / 'times.txt').unlink()
    (folder / 'walk' / 'times.txt').mkdir()


# --- what cannot be read


@broken('NaN in camera.yaml', 'camera.yaml')
def nan_in_calibration(folder):
    path = folder / 'walk' / 'camera.yaml'
    path.write_text(path.read_text().replace('60.0', '.nan'))


@broken('5,000 nested brackets in camera.yaml', 'camera.yaml')
def nested_calibration(folder):
    (folder / 'walk' / 'camera.yaml').write_text('a: ' + '[' * 5000)


@broken('aliases in camera.yaml that grow to a billion', 'camera.yaml')
def laughing_calibration(folder):
    lines = ['a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]']
    for level in range(1, 9):
        of_before = ', '.join([f'*a{level - 1}'] * 10)
        lines.append(f'a{level}: &a{level} [{of_before}]')
    (folder / 'walk' / 'camera.yaml').write_text('\n'.join(lines))


@broken('a number of 400 digits in camera.yaml', 'camera.yaml')
def long_number(folder):
    path = folder / 'walk' / 'camera.yaml'
    path.write_text(path.read_text().replace('60.0', '6' * 400))


@broken('1e9999999 in times.txt', 'times.txt')
def endless_time(folder):
    lines = (folder / 'walk' / 'times.txt').read_text().splitlines()
    lines[2] = '1e9999999'
    (folder / 'walk' / 'times.txt').write_text('\n'.join(lines))


@broken('a time beyond 64 bits in times.txt', 'times.txt')
def late_time(folder):
    lines = (folder / 'walk' / 'times.txt').read_text().splitlines()
    lines[-1] = '1e30'
    (folder / 'walk' / 'times.txt').write_text('\n'.join(lines))


@broken('NaN in times.txt', 'times.txt')
def nan_time(folder):
    lines = (folder / 'walk' / 'times.txt').read_text().splitlines()
    lines[2] = 'nan'
    (folder / 'walk' / 'times.txt').write_text('\n'.join(lines))


@broken('bytes that are no text in times.txt', 'times.txt')
def times_are_no_text(folder):
    (folder / 'walk' / 'times.txt').write_bytes(bytes(range(128, 256)))


@broken('1e30 in groundtruth.txt', 'groundtruth.txt')
def late_truth(folder):
    (folder / 'walk' / 'groundtruth.txt').write_text('1e30 0 0 0 0 0 0 1\n')


@broken('NaN in groundtruth.txt', 'groundtruth.txt')
def nan_truth(folder):
    path = folder / 'walk' / 'groundtruth.txt'
    path.write_text(path.read_text().replace(' 1 0 0 ', ' nan 0 0 '))


@broken('a picture of no bytes', 'does not decode')
def empty_picture(folder):
    (folder / 'walk' / 'images' / 'frame10.png').write_bytes(b'')


@broken('a decompression bomb among the pictures', 'frame10.png')
def bomb(folder):
    # The size in the header of a PNG; its checksum is not looked at before.
    path = folder / 'walk' / 'images' / 'frame10.png'
    overwrite(path, 16, struct.pack('>II', 60_000, 60_000))


# --- bags and videos


BAG = ['evaluate', 'bag', '--baseline', 'lk', '-o', 'report', '--ground-truth', 'truth.txt']


@broken('a bag cut off in its middle', 'bag', BAG)
def cut_bag(folder):
    path = next((folder / 'bag').glob('*.mcap'))
    os.truncate(path, path.stat().st_size // 2)


@broken('a bag with overwritten bytes', 'bag', BAG)
def overwritten_bag(folder):
    path = next((folder / 'bag').glob('*.mcap'))
    noise = np.random.default_rng(0).bytes(path.stat().st_size // 2)
    overwrite(path, path.stat().st_size // 4, noise)


@broken('a bag of no bytes', 'bag', BAG)
def empty_bag(folder):
    next((folder / 'bag').glob('*.mcap')).write_bytes(b'')


@broken('a bag without metadata that can be read', 'does not open as a bag', BAG)
def bag_without_metadata(folder):
    (folder / 'bag' / 'metadata.yaml').write_text('[' * 5000)


VIDEO = ['run', 'film/film.avi', '-o', 'result', '--weights', 'random:compact']


@broken('a video cut off in its header', 'film.avi', VIDEO)
def cut_video(folder):
    os.truncate(folder / 'film' / 'film.avi', 100)


@broken('a FIFO as a video', 'film.avi', VIDEO)
def fifo_as_video(folder):
    (folder / 'film' / 'film.avi').unlink()
    os.mkfifo(folder / 'film' / 'film.avi')


# --- names


@broken('a picture whose name is not UTF-8', 'ff.png', ['match', 'a.png', 'm\udcff.png'])
def picture_not_utf8(folder):
    (folder / os.fsdecode(b'm\xff.png')).write_bytes(b'no picture')


@broken(
    'a video whose name is not UTF-8',
    'ff.avi',
    ['run', 'film/v\udcff.avi', '-o', 'result'],
    OTHER_NAME,
    VIDEO,
)
def video_not_utf8(folder):
    (folder / 'film' / os.fsdecode(b'v\xff.avi')).write_bytes(b'no video')


# --- weights


@broken(
    'weights that are no checkpoint',
    'weights.ckpt',
    [*RUN[:-1], 'weights.ckpt'],
)
def bad_weights(folder):
    (folder / 'weights.ckpt').write_text('these are no weights')


@broken('weights that are not there', 'weights.ckpt', [*RUN[:-1], 'weights.ckpt'])
def missing_weights(folder):
    (folder / 'weights.ckpt').unlink()


# --- where results go


@broken('an output that is a file', 'result', RUN)
def output_is_a_file(folder):
    (folder / 'result').write_text('')


@broken('an output below a file', 'file', [*EVALUATE[:-1], 'file/report'])
def output_below_a_file(folder):
    (folder / 'file').write_text('')


@broken('figures to be written to a full disk', 'full', [*EVALUATE, '--json', 'full.json'])
def full_disk(folder):
    (folder / 'full.json').symlink_to('/dev/full')


@broken(
    'a drawing whose name is not UTF-8', 'ff', [*MATCH, 'd\udcff'], OTHER_NAME, [*MATCH, 'd.png']
)
def drawing_not_utf8(folder):
    pass


@broken('a picture of matches in the place of a folder', 'drawn.png', [*MATCH, 'drawn.png'])
def picture_into_a_folder(folder):
    (folder / 'drawn.png').mkdir()
