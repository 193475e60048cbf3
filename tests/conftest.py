"""What holds for all tests."""

import os

# Set before NumPy and torch are imported: the tests compute little, and threads that wait for each
# other cost more than they bring.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
