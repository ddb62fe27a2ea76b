"""The collector with a recording door: ``lsp_recorder_server.py ROOT RECORD``."""

import sys
from pathlib import Path

from lsp_collector.ports import Client, Door
from lsp_collector.process import serve
from tests.lsp_collector.lsp_recorder import RecorderDoor


async def open_recorder(client: Client) -> Door:
    return RecorderDoor(Path(sys.argv[1]), file=Path(sys.argv[2]), client=client)


sys.exit(serve(open_recorder))
