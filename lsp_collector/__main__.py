"""``python -m lsp_collector``."""

import gc

# What is loaded at the start stays: looking through it for garbage would take a fifth of the time. The process turns
# the collector on again once the gate is open.
gc.disable()

import sys  # noqa: E402 - see above

from lsp_collector.process import main  # noqa: E402 - see above

sys.exit(main())
