"""``python -m lsp_collector``."""

import sys

from lsp_collector.process import main

sys.exit(main())
