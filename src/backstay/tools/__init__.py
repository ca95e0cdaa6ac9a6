"""Tools: functions that a model may call, checked and bounded. `tool` makes one, `ToolRegistry` keeps and runs them."""

from backstay.tools.execution import Execution, ToolStats
from backstay.tools.flag import Flags, ToolContext
from backstay.tools.registry import ToolRegistry
from backstay.tools.tool import FunctionTool, tool

__all__ = ["Execution", "Flags", "FunctionTool", "ToolContext", "ToolRegistry", "ToolStats", "tool"]
