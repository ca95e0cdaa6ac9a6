"""An agent in the tea shop, played by a script instead of a model: python examples/agent/run.py"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from backstay.client import Client
from backstay.conversation import Agent, AgentOptions
from backstay.offline.scripted import Scripted

sys.path.insert(0, str(Path(__file__).parent))
from shop import ORDERS, registry

SCRIPT = (
    '{"action": "use_tool", "tool_name": "get_stock", "parameters": {"tea": "assam"}}',
    '{"action": "use_tool", "tool_name": "get_weekly_sales", "parameters": {"tea": "assam"}}',
    '{"action": "use_tool", "tool_name": "order_tea", "parameters": {"tea": "assam", "tins": "20"}}',
    '{"action": "final_answer", "result": "20 tins of assam are ordered.", "reasoning": "4 are left.", "confidence": 0.95}',
)


async def main() -> None:
    client = Client("scripted:shopkeeper", services={"scripted": Scripted(*SCRIPT)})
    agent = Agent(client, registry, max_iterations=6, options=AgentOptions(protocol="json"))
    found = await agent.run("Is there enough assam for two weeks? Order what is missing.")
    print(found.report())
    assert len(ORDERS) == 1
    await client.aclose()


asyncio.run(main())
