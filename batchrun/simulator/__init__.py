"""A local server that speaks the Message Batches API and fails on request (design §8)."""

from batchrun.simulator.options import Options
from batchrun.simulator.scenario import Scenario
from batchrun.simulator.server import Simulator

__all__ = ["Options", "Scenario", "Simulator"]
