"""``kdkit ARGUMENTS`` whose processes are forks of this one, which has torch already, in place of new ones."""

import multiprocessing

from kdkit_cli.main import main

_context = multiprocessing.get_context
multiprocessing.get_context = lambda method=None: _context("fork" if method == "spawn" else method)
main()
