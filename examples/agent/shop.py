"""Tools of a small tea shop: stock and sales to look at, and an order that changes something."""

from __future__ import annotations

from typing import Literal

from backstay.errors import ToolFailed
from backstay.tools import ToolContext, ToolRegistry, tool

STOCK = {"assam": 4, "sencha": 31, "rooibos": 12}
SOLD_PER_WEEK = {"assam": 9, "sencha": 6, "rooibos": 3}
ORDERS: list[dict[str, object]] = []


@tool(tags=["reading"], ttl=60, inline=True)
def get_stock(tea: str) -> int:
    """How many tins of a tea are in stock.

    Args:
        tea: its name, such as assam
    """
    if tea not in STOCK:
        raise ToolFailed(f"no tea {tea!r}; there is {', '.join(STOCK)}")
    return STOCK[tea]


@tool(tags=["reading"], ttl=3600, inline=True)
def get_weekly_sales(tea: str) -> int:
    """How many tins of a tea are sold in a week."""
    return SOLD_PER_WEEK[tea]


@tool(tags=["writing"], side_effect=True, inline=True)
def order_tea(
    tea: str, tins: int, speed: Literal["normal", "fast"] = "normal", context: ToolContext | None = None
) -> dict[str, object]:
    """Order tins of a tea from the wholesaler.

    Args:
        tea: its name
        tins: how many
        speed: fast costs more
    """
    order: dict[str, object] = {"tea": tea, "tins": tins, "speed": speed}
    ORDERS.append(order)
    return {**order, "reference": "-" if context is None else context.call_id}


registry = ToolRegistry(get_stock, get_weekly_sales, order_tea)
