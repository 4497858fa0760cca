"""How many threads multiply matrices while a bank is made."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_info, threadpool_limits


@contextmanager
def half_of_the_cores() -> Iterator[None]:
    """BLAS, that of numpy, scipy and faiss, gets half of the cores at most, and no more than it had; also a decorator.

    Its threads wait for one another by spinning. With one for each core, all wait whenever another process has a core,
    as the daemon has while a bank is made beside it: on two cores, one of them busy, `calibrate --exclude-suspects` of
    150 samples took 116 s instead of 174. Alone it took as long, for three quarters of the processor time.
    """
    now = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    with threadpool_limits(min([max(1, len(os.sched_getaffinity(0)) // 2), *now]), "blas"):
        yield
