"""CPU of the HTTP clients, side by side: `python bench/transport/run.py [peer ...]`, about a minute.

Each client runs in a process of its own against a server in another one; what is counted is the client's CPU time (user and
system), not the clock, so a busy machine changes little. Best of three rounds. Peers that are not installed are left out
(`pip install -r bench/requirements.txt`).
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "src")]

from peer import PEERS  # noqa: E402
from server import EVENTS  # noqa: E402

ROUNDS, CALLS, STREAMS = 3, 3000, 60


async def cpu(work: Callable[[str], Awaitable[object]], url: str, *, calls: int, flight: int) -> float:
    """Microseconds of this process's CPU time for one call, with `flight` calls at a time."""

    async def line(number: int) -> None:
        for _ in range(number):
            await work(url)

    await asyncio.gather(*(line(4) for _ in range(flight)))
    began = time.process_time()
    await asyncio.gather(*(line(calls // flight) for _ in range(flight)))
    return (time.process_time() - began) / (calls // flight * flight) * 1e6


async def measure(name: str, base: str) -> dict[str, float]:
    peer = await PEERS[name]()
    assert len(await peer.whole(base + "/json")) > 800
    assert await peer.stream(base + "/sse") > EVENTS * 60
    figures = {
        "many": min([await cpu(peer.whole, base + "/json", calls=CALLS, flight=64) for _ in range(ROUNDS)]),
        "one": min([await cpu(peer.whole, base + "/json", calls=CALLS // 2, flight=1) for _ in range(ROUNDS)]),
        "event": min([await cpu(peer.stream, base + "/sse", calls=STREAMS, flight=4) for _ in range(ROUNDS)]) / EVENTS,
    }
    await peer.close()
    return figures


def run(names: list[str]) -> dict[str, dict[str, float]]:
    server = subprocess.Popen([sys.executable, str(HERE / "server.py")], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        base = f"http://127.0.0.1:{int(server.stdout.readline())}"
        table = {}
        for name in names:
            command = [sys.executable, __file__, "--measure", name, base]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            if done.returncode:
                print(f"{name}: left out ({(done.stderr.strip().splitlines() or ['no reason given'])[-1]})")
            else:
                table[name] = json.loads(done.stdout)
        return table
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(asyncio.run(measure(sys.argv[2], sys.argv[3]))))
        return
    table = run(sys.argv[1:] or list(PEERS))
    ours = table.get("backstay")
    print(f"{'CPU, microseconds':18} {'call, 64 in flight':>24} {'call, 1 in flight':>24} {'event':>24}")
    for name, row in table.items():
        cells = [f"{row[key]:.1f} ({row[key] / ours[key]:.2f} x)" if ours else f"{row[key]:.1f}" for key in row]
        print(f"{name:18} {cells[0]:>24} {cells[1]:>24} {cells[2]:>24}")


if __name__ == "__main__":
    main()
