"""The collector with a recording door: ``lsp_recorder_server.py ROOT RECORD [FIFO]``.

With a FIFO the door opens only when somebody writes into it.
"""

import asyncio
import sys
from pathlib import Path

from lsp_collector.ports import Client, Door
from lsp_collector.process import serve
from tests.lsp_collector.lsp_recorder import RecorderDoor


async def open_recorder(client: Client) -> Door:
    for fifo in sys.argv[3:]:
        await asyncio.to_thread(Path(fifo).read_bytes)
    return RecorderDoor(Path(sys.argv[1]), file=Path(sys.argv[2]), client=client)


sys.exit(serve(open_recorder))
