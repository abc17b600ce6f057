"""The science behind Aquaponia: three scripts that the API keeps warm and that also run alone."""

import os

# One request at a time is served by one process; several BLAS threads in each would only fight.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
