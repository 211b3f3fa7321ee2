"""Every fault of the simulator, met by a whole job, and the promises held against it (docs/reliability.md)."""
