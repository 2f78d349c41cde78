# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The network's parts for a GPU that PyTorch has no fused kernels for, written in Triton.

A frame of the small network is hundreds of operations of a few microseconds each, most of which a
GPU spends on starting them. Here a layer is three kernels or, a wide one, four and two products of
PyTorch, coarse matching six and the fine stage one. The modules beside this folder compute the
same with plain PyTorch, are what these are tested against, and take their place where Triton is
not to be had.
"""
