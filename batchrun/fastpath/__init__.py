"""`batchrun run` of a job that is done, or that another process works on, before anything heavy is imported.

Make and cron run finished jobs thousands of times a day, and of fifty runs of one job at the same moment 49 are to
leave at once. Importing what reads a spec takes longer than all the rest of such a run. So this folder answers first,
and may only answer what the ordinary way would, or nothing:

- **Which job a spec is** (`specpeek`), by its bytes, where that shows without YAML. It may assume what
  `tests/fastpath/test_specpeek.py` holds against the loader: a key `name` at the beginning of a line, below lines that
  leave no bracket and no quote open. Whatever else might be a name, an escape or another encoding, has no answer.
- **That a job is done** (`uptodate`), by its state, and by the size and time of spec, data and output. It may assume
  that the run that collected them noted what it read. It reads no spec, no row and no result, and sends nothing.
- **That somebody works on it** (`quick`), by the job's lock, which it takes for the run that follows. It may assume
  that the kernel releases a lock with its process. What it created for a run that never came is taken back.

It may not: decide about money, write into a run directory, tell of an error in another way than the ordinary one, or
import click, typing, re, pathlib or dataclasses before it has an answer (`tests/fastpath/test_quick.py`).
"""
