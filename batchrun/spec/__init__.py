"""From the YAML text of a spec to a Job, with a place for everything that is wrong."""

from batchrun.spec.loader import Loaded, load, schema_text

__all__ = ["Loaded", "load", "schema_text"]
