"""Settings for every test: the CPU, no window, no deadline, and little time in the compiler.

Most of the time of the suite goes into compiling small programs. So they are compiled without
optimizations, and all processes of the suite share what they have compiled. `XLA_FLAGS`, when set,
decides instead: `XLA_FLAGS= launch/test.sh` tests what a user's compiler makes.
"""

import gc
import importlib.util
import mmap
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
# Threads of NumPy wait for each other busily, which takes the cores from the other tests.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _quick_compilation():
    """The flags of it that this version of XLA knows: it ends a process that names another."""
    library = Path(importlib.util.find_spec("jaxlib").origin).with_name("libjax_common.so")
    if os.environ["JAX_PLATFORMS"] != "cpu" or not library.exists():
        return ""
    flags = [
        "xla_backend_optimization_level=0",
        "xla_cpu_use_fusion_emitters=false",
        "xla_cpu_parallel_codegen_split_count=1",
    ]
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        # The name of a flag that is gone may still stand in a description, without a zero behind.
        known = [flag for flag in flags if text.find(flag.partition("=")[0].encode() + b"\0") >= 0]
    # The experiments add the last one themselves, and programs of other flags are not shared.
    return " ".join(f"--{flag}" for flag in [*known, "xla_gpu_deterministic_ops=true"])


if "XLA_FLAGS" not in os.environ:
    os.environ["XLA_FLAGS"] = _quick_compilation()

# The workers of pytest-xdist, and the processes that tests start, inherit the folder.
_OWN_PROGRAMS = None
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _OWN_PROGRAMS = tempfile.mkdtemp(prefix="rnnjax_tests_")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _OWN_PROGRAMS
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

# The parent keeps what hypothesis itself chooses on a CI machine (reproducible examples).
hypothesis.settings.register_profile("rnnjax", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("rnnjax")

# Tracing makes many objects, few of them cycles: looking for these takes a tenth of the time.
gc.set_threshold(200_000, 20, 100)

MAPS = Path("/proc/self/maps")
MOST_MAPS = 15_000


def pytest_unconfigure():
    if _OWN_PROGRAMS:
        shutil.rmtree(_OWN_PROGRAMS, ignore_errors=True)


@pytest.fixture(autouse=True, scope="module")
def _compiled_programs_end_before_they_are_too_many():
    """Each program on the CPU holds memory maps, and the system allows a process only 65,530."""
    import jax  # only here, since it reads its settings when it is imported

    yield
    if not MAPS.exists() or MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()


@pytest.fixture
def float64():
    """The numbers of a test are float64 (`pytestmark = pytest.mark.usefixtures("float64")`)."""
    import jax

    with jax.enable_x64(True):
        yield
