"""The reliability goals, measured: `python -m bench.reliability`."""
