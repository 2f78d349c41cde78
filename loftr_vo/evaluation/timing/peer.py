# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""kornia's LoFTR, timed in a separate process.

Separate, so that neither is affected by the other's settings of the memory allocator, of
convolution algorithms and of threads.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # it would load torch
    from loftr_vo.loftr.config import LoFTRConfig

PEERS = ('kornia',)
# For a peer without small networks.
PUBLISHED = 'random:outdoor'


class PeerError(ValueError):
    """The peer cannot be run; says why and what to do."""


class Peer:
    """A peer in a process.

    Args:
        pipe: to its process.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._answer()  # loaded and warm

    def match(self, mixed: bool = False) -> tuple[float, int]:
        """Match the pair once; return the milliseconds and the number of matches.

        Args:
            mixed: with autocast, in 16 bits where PyTorch thinks fit.
        """
        self._pipe.send(mixed)
        milliseconds, count = self._answer()
        return milliseconds, count

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError as error:
            raise PeerError(
                'the peer ended without a word; it may have run out of memory'
            ) from error
        if isinstance(answer, Exception):
            raise PeerError(f'the peer failed: {answer}') from answer
        return answer


@contextlib.contextmanager
def start_peer(
    name: str, weights: str, pair: tuple[np.ndarray, np.ndarray], device: str
) -> Iterator[Peer]:
    """Yield a peer that is loaded and has matched the pair once.

    Args:
        name: one of ``PEERS``.
        weights: one of our names; the same parameters are copied to the peer.
        pair: two (H, W) uint8 pictures.
        device: as PyTorch names it.

    Raises:
        PeerError: it is not installed or does not work.
    """
    if importlib.util.find_spec(name) is None:
        raise PeerError(f'{name} is not installed: pip install {name}')
    context = multiprocessing.get_context('spawn')
    pipe, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(theirs, weights, pair, device), name=name, daemon=True
    )
    process.start()
    theirs.close()
    try:
        yield Peer(pipe)
    finally:
        pipe.close()
        process.join(timeout=10)
        if process.is_alive():
            process.terminate()


def _serve(
    pipe: Connection, weights: str, pair: tuple[np.ndarray, np.ndarray], device: str
) -> None:
    """Match the pair at each message on the pipe."""
    with contextlib.suppress(EOFError, BrokenPipeError):
        try:
            match = _kornia(weights, pair, device)
            match(False)
            pipe.send('ready')
            while True:
                pipe.send(match(pipe.recv()))
        except (ImportError, RuntimeError, ValueError) as error:
            pipe.send(RuntimeError(str(error)))


def _kornia(weights: str, pair: tuple[np.ndarray, np.ndarray], device: str) -> Any:
    """Return a function that matches the pair with kornia's LoFTR and times that."""
    import torch

    network = kornia_network(weights).to(device)
    images = {
        f'image{index}': torch.from_numpy(image)[None, None].to(device).float() / 255
        for index, image in enumerate(pair)
    }

    def match(mixed: bool) -> tuple[float, int]:
        started = time.perf_counter()
        with torch.inference_mode(), torch.autocast(torch.device(device).type, enabled=mixed):
            matches = network(dict(images))
        count = len(matches['keypoints1'].cpu())
        return (time.perf_counter() - started) * 1e3, count

    return match


def kornia_network(weights: str) -> Any:
    """Return kornia's LoFTR in eval mode, with the config and the parameters of our network."""
    from kornia.feature import LoFTR

    from loftr_vo.loftr.weights import load_weights

    ours = load_weights(weights)
    network = LoFTR(pretrained=None, config=kornia_config(ours.config))
    state = ours.state_dict().items()
    network.load_state_dict({name: value for name, value in state if not _ours_alone(name)})
    return network.eval()


def _ours_alone(name: str) -> bool:
    return name.startswith('correlation_head.')


def kornia_config(config: LoFTRConfig) -> dict[str, Any]:
    """Return what kornia calls the sizes and constants of a LoFTR; a new dictionary each time.

    kornia always aligns corners and corrects no fine matches. Where ``config`` does otherwise, its
    network gives other numbers.
    """
    from kornia.feature.loftr.loftr import default_cfg

    theirs: dict[str, Any] = copy.deepcopy(default_cfg)
    theirs['resnetfpn'].update(
        initial_dim=config.block_dims[0], block_dims=list(config.block_dims)
    )
    theirs['coarse'].update(
        d_model=config.coarse_dim,
        nhead=config.coarse_heads,
        layer_names=['self', 'cross'] * config.coarse_pairs,
        temp_bug_fix=config.corrected_position_encoding,
    )
    theirs['fine'].update(
        d_model=config.fine_dim,
        nhead=config.fine_heads,
        layer_names=['self', 'cross'] * config.fine_pairs,
    )
    theirs['match_coarse'].update(thr=config.threshold, border_rm=config.border)
    return theirs
