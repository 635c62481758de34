"""How fast minnet is, measured beside its peers: `python -m benchmarks`.

Times taken on different days, machines or runs can't be compared, so nothing here compares them.
Each candidate (minnet, PyTorch, JAX, Keras, and the floor: the matrix products alone) lives in a
process of its own. The candidates are timed in turn, round after round, in one run, and what is
told are ratios taken round by round: what slows the machine down for a while slows down all.

To compare on fewer cores, give the whole run fewer (taskset): OMP_NUM_THREADS and its like bind
some libraries and not others.
"""
