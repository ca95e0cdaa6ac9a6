"""Virtual time: an event loop that never waits, and the world that goes with it."""

from backstay.sim.loop import Deadlock, Livelock, SimLoop, run
from backstay.sim.world import sim_world

__all__ = ["Deadlock", "Livelock", "SimLoop", "run", "sim_world"]
