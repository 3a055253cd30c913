"""What runs outside the gate, for longer than a gate may take: fuzzing, mutation, soak, chaos, outages.

Each is a program (``python -m harnesses.fuzz --seconds 20``) that writes what it found to ``harnesses/results/``, in
the shape that `harnesses.result` defines. `harnesses.promises` makes docs/reference/promises.md of those files.
"""
