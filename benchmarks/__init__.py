"""How fast batchrun is, beside the floor of each stage and beside the scripts that people write today.

    python -m benchmarks                 everything, 100,000 rows; takes some minutes
    python -m benchmarks --rows 500 --runs 1 --shard-mb 1 --jobs 5     does it still work?
    python -m benchmarks --million       the growth to 1,000,000 rows, too

Every figure is a ratio of two things measured in turns in the same run: machines are noisy, and differ.
"""
