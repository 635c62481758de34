"""Compare the speed of minnet with other libraries, or with another version of minnet.

Times from different days, machines or runs cannot be compared. Each candidate (minnet, PyTorch,
JAX, Keras, and the floor: the matrix products alone) runs in a process of its own. The candidates
are timed in turns, round after round, in one run. Reported ratios are taken within a round, so that
whatever slows the machine down for a while affects all candidates.

To measure on fewer cores, restrict the whole run with taskset: OMP_NUM_THREADS and similar
variables affect some libraries only.
"""
