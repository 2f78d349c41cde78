# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the command again and again, each time in a process of its own that has imported all.

Importing takes seconds and is nothing that a fault has a part in. So this process imports, and
forks for each run. Reads lines of JSON from its standard input: ``words`` and ``folder`` to run
in; answers each with a line: ``code`` (negative for a signal; None for a run that took too long),
``seconds`` of the processor, which do not depend on what else the machine does, and ``text`` of
the terminal.
"""

import importlib
import json
import os
import pkgutil
import sys
import tempfile
import time
import traceback

import evo.core.metrics  # noqa: F401
import matplotlib.pyplot  # noqa: F401

import loftr_vo
from loftr_vo.cli import main as command

LONGEST = 60.0  # seconds


def import_all():
    """Import each module of the package that needs no ROS."""
    for module in pkgutil.walk_packages(loftr_vo.__path__, 'loftr_vo.'):
        if not module.name.startswith(('loftr_vo.ros', 'loftr_vo.cli.__main__')):
            importlib.import_module(module.name)


def run(words, folder, terminal):
    """Be the command; never return."""
    code = 1
    try:
        os.chdir(folder)
        for number in (1, 2):
            os.dup2(terminal.fileno(), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = command.main(words)
    except SystemExit as error:  # argparse ends so
        code = error.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(child):
    """Wait for the end of a run; return its exit code and the seconds of the processor."""
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None, LONGEST


def main():
    """Answer until the input ends."""
    import_all()
    answers = os.fdopen(os.dup(1), 'w')
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile() as terminal:
            child = os.fork()
            if not child:
                run(request['words'], request['folder'], terminal)
            code, seconds = wait(child)
            terminal.seek(0)
            text = terminal.read().decode(errors='backslashreplace')
        print(json.dumps({'code': code, 'seconds': seconds, 'text': text}), file=answers)
        answers.flush()


if __name__ == '__main__':
    main()
