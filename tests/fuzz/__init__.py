"""Random mutations of the corpus, fed to every reader: they raise typed errors, in bounded time and memory.

`make fuzz SECONDS=600 SEED=7` runs it for a while; a case that fails is kept in build/fuzz, and its number with
the seed makes it again.
"""
