# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""``InputError``, for all that is read, and the conversion of other errors to it."""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loftr_vo.files.text import summary, without_middle


class InputError(ValueError):
    """What was given cannot be used; the message has file, line and reason."""


# What parsing can raise about a text or some bytes, whatever they hold. Others are faults of the
# code: they are not hidden.
_PARSING = (ValueError, TypeError, LookupError, ArithmeticError, csv.Error, struct.error)


@contextmanager
def naming(where: str | Path, kind: type[InputError] = InputError) -> Iterator[None]:
    """Turn whatever the block raises about its input into an error that names the place.

    Args:
        where: a file, or ``FILE:LINE``.
        kind: the class of the error. One of ours keeps its own.

    Raises:
        InputError: of the class ``kind``.
    """
    where = without_middle(str(where))
    try:
        yield
    except InputError as error:
        # Raised without the place: it is added.
        if where in str(error):
            raise
        raise type(error)(f'{where}: {error}') from error
    except OSError as error:
        raise kind(f'cannot read {where}: {error.strerror or error}') from error
    except RecursionError as error:
        raise kind(f'{where} is nested too deeply') from error
    except MemoryError as error:
        raise kind(f'{where} needs more memory than there is') from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b'\n') + 1
        raise kind(f'{where}:{line} is not text in UTF-8') from error
    except _PARSING as error:
        raise kind(f'{where}: {summary(error)}') from error
