"""Virtual time: an event loop that never waits, the world that goes with it, and a provider that lives in it."""

from backstay.sim.fault import KINDS, FaultPlan
from backstay.sim.law import Law, constant, exponential, lognormal
from backstay.sim.loop import Deadlock, Livelock, SimLoop, run
from backstay.sim.provider import SimProvider
from backstay.sim.quota import Quota
from backstay.sim.record import Entry, Log, Prices
from backstay.sim.traits import Outage, Traits
from backstay.sim.world import sim_world

__all__ = [
    "KINDS",
    "Deadlock",
    "Entry",
    "FaultPlan",
    "Law",
    "Livelock",
    "Log",
    "Outage",
    "Prices",
    "Quota",
    "SimLoop",
    "SimProvider",
    "Traits",
    "constant",
    "exponential",
    "lognormal",
    "run",
    "sim_world",
]
