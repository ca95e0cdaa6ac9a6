"""A shop's tools over a database of users, products and orders, for tests that replay recorded work on it.

Each method is one tool by the shop's written policy. A method raises ToolFailed where the policy forbids what is asked, and then
has changed nothing.
"""

from __future__ import annotations

import ast
import operator
from typing import Any, Final

import msgspec

from backstay.errors import ToolFailed
from backstay.tools import Flags, ToolRegistry
from backstay.types import Tool

READING: Final = frozenset(
    {
        "calculate", "find_user_id_by_email", "find_user_id_by_name_zip", "get_order_details", "get_product_details",
        "get_user_details", "list_all_product_types", "think",
    }
)  # fmt: skip
OPERATORS: Final = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


class Retail:
    """The database, and what may be done with it. Money is in cents where it is added up."""

    def __init__(self, tables: dict[str, Any]) -> None:
        self.users: dict[str, Any] = tables["users"]
        self.products: dict[str, Any] = tables["products"]
        self.orders: dict[str, Any] = tables["orders"]

    def state(self) -> bytes:
        """The whole database in one canonical form."""
        return msgspec.json.encode([self.users, self.products, self.orders], order="sorted")

    def calculate(self, expression: str) -> str:
        return f"{round(float(_value(ast.parse(expression, mode='eval').body)), 2)}"

    def think(self, thought: str) -> str:
        return ""

    def transfer_to_human_agents(self, summary: str) -> str:
        return "Transfer successful"

    def find_user_id_by_email(self, email: str) -> str:
        found = [id for id, user in self.users.items() if user["email"].lower() == email.lower()]
        return _only(found, "user")

    def find_user_id_by_name_zip(self, first_name: str, last_name: str, zip: str) -> str:
        wanted = (first_name.lower(), last_name.lower(), zip)
        found = [
            id
            for id, user in self.users.items()
            if (user["name"]["first_name"].lower(), user["name"]["last_name"].lower(), user["address"]["zip"]) == wanted
        ]
        return _only(found, "user")

    def list_all_product_types(self) -> dict[str, str]:
        return dict(sorted((product["name"], product["product_id"]) for product in self.products.values()))

    def get_user_details(self, user_id: str) -> dict[str, Any]:
        return dict(_known(self.users, user_id, "user"))

    def get_order_details(self, order_id: str) -> dict[str, Any]:
        return dict(_known(self.orders, order_id, "order"))

    def get_product_details(self, product_id: str) -> dict[str, Any]:
        return dict(_known(self.products, product_id, "product"))

    def cancel_pending_order(self, order_id: str, reason: str) -> dict[str, Any]:
        order = self._order(order_id, "pending")
        refunds = []
        for payment in order["payment_history"]:
            method = payment["payment_method_id"]
            refunds.append({**payment, "transaction_type": "refund"})
            self._credit(order["user_id"], method, _cents(payment["amount"]))
        order["payment_history"].extend(refunds)
        order.update(status="cancelled", cancel_reason=reason)
        return order

    def modify_pending_order_address(self, order_id: str, **address: str) -> dict[str, Any]:
        order = self._order(order_id, "pending")
        order["address"] = address
        return order

    def modify_user_address(self, user_id: str, **address: str) -> dict[str, Any]:
        user: dict[str, Any] = _known(self.users, user_id, "user")
        user["address"] = address
        return user

    def modify_pending_order_payment(self, order_id: str, payment_method_id: str) -> dict[str, Any]:
        order = self._order(order_id, "pending")
        history = order["payment_history"]
        if len(history) != 1 or history[0]["transaction_type"] != "payment":
            raise ToolFailed("there should be exactly one payment")
        before, cents = history[0]["payment_method_id"], _cents(history[0]["amount"])
        if before == payment_method_id:
            raise ToolFailed("the new payment method must be another one")
        self._check_balance(order["user_id"], payment_method_id, cents)
        history.append({**history[0], "payment_method_id": payment_method_id})
        history.append({**history[0], "transaction_type": "refund"})
        self._credit(order["user_id"], payment_method_id, -cents)
        self._credit(order["user_id"], before, cents)
        return order

    def modify_pending_order_items(
        self, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
    ) -> dict[str, Any]:
        order = self._order(order_id, "pending")
        swaps = self._swaps(order, item_ids, new_item_ids)
        cents = sum(_cents(new["price"]) - _cents(old["price"]) for old, new in swaps)
        self._check_balance(order["user_id"], payment_method_id, cents)
        kind = "payment" if cents > 0 else "refund"
        order["payment_history"].append(
            {"transaction_type": kind, "amount": abs(cents) / 100, "payment_method_id": payment_method_id}
        )
        self._credit(order["user_id"], payment_method_id, -cents)
        for old, new in swaps:
            old.update(item_id=new["item_id"], price=new["price"], options=new["options"])
        order["status"] = "pending (item modified)"
        return order

    def exchange_delivered_order_items(
        self, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
    ) -> dict[str, Any]:
        order = self._order(order_id, "delivered")
        swaps = self._swaps(order, item_ids, new_item_ids)
        cents = sum(_cents(new["price"]) - _cents(old["price"]) for old, new in swaps)
        self._check_balance(order["user_id"], payment_method_id, cents)
        order.update(
            status="exchange requested",
            exchange_items=sorted(item_ids),
            exchange_new_items=sorted(new_item_ids),
            exchange_payment_method_id=payment_method_id,
            exchange_price_difference=cents / 100,
        )
        return order

    def return_delivered_order_items(
        self, order_id: str, item_ids: list[str], payment_method_id: str
    ) -> dict[str, Any]:
        order = self._order(order_id, "delivered")
        method = self._method(order["user_id"], payment_method_id)
        if payment_method_id != order["payment_history"][0]["payment_method_id"] and method["source"] != "gift_card":
            raise ToolFailed("the refund goes to the original payment method or to a gift card")
        _take(order, item_ids)
        order.update(
            status="return requested", return_items=sorted(item_ids), return_payment_method_id=payment_method_id
        )
        return order

    def _order(self, id: str, status: str) -> dict[str, Any]:
        order: dict[str, Any] = _known(self.orders, id, "order")
        if order["status"] != status:
            raise ToolFailed(f"the order is {order['status']}, not {status}")
        return order

    def _method(self, user_id: str, id: str) -> dict[str, Any]:
        method: dict[str, Any] = _known(self.users[user_id]["payment_methods"], id, "payment method")
        return method

    def _check_balance(self, user_id: str, id: str, cents: int) -> None:
        method = self._method(user_id, id)
        if method["source"] == "gift_card" and _cents(method["balance"]) < cents:
            raise ToolFailed("the gift card's balance is too low")

    def _credit(self, user_id: str, id: str, cents: int) -> None:
        method = self._method(user_id, id)
        if method["source"] == "gift_card":
            method["balance"] = (_cents(method["balance"]) + cents) / 100

    def _swaps(
        self, order: dict[str, Any], old: list[str], new: list[str]
    ) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        if len(old) != len(new):
            raise ToolFailed("as many new items as old ones")
        swaps = []
        for item, id in zip(_take(order, old), new, strict=True):
            variant = self.products[item["product_id"]]["variants"].get(id)
            if variant is None or not variant["available"]:
                raise ToolFailed(f"there is no available item {id} of that product")
            swaps.append((item, variant))
        return swaps


def _take(order: dict[str, Any], ids: list[str]) -> list[dict[str, Any]]:
    """The order's items with these ids, each once."""
    rest = list(order["items"])
    taken = []
    for id in ids:
        item = next((one for one in rest if one["item_id"] == id), None)
        if item is None:
            raise ToolFailed(f"item {id} is not in the order often enough")
        rest.remove(item)
        taken.append(item)
    return taken


def _known(table: dict[str, Any], id: str, what: str) -> Any:
    if id not in table:
        raise ToolFailed(f"{what} {id} not found")
    return table[id]


def _only(found: list[str], what: str) -> str:
    if not found:
        raise ToolFailed(f"{what} not found")
    return found[0]


def _cents(amount: float) -> int:
    return round(amount * 100)


def _value(node: ast.expr) -> float:
    """A sum of numbers, and nothing else."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return float(OPERATORS[type(op)](_value(left), _value(right)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
    raise ToolFailed("only numbers, + - * / and parentheses")


class RetailTool:
    """One method of the shop under a recorded schema."""

    def __init__(self, shop: Retail, schema: dict[str, Any]) -> None:
        self.schema = Tool(**schema["function"])
        self.flags = Flags(side_effect=self.schema.name not in READING)
        self._method = getattr(shop, self.schema.name)

    async def execute(self, arguments: dict[str, Any]) -> Any:
        return self._method(**arguments)


def shop_registry(shop: Retail, schemas: list[dict[str, Any]], **settings: Any) -> ToolRegistry:
    """The shop's tools in a registry."""
    return ToolRegistry(*(RetailTool(shop, schema) for schema in schemas), **settings)
