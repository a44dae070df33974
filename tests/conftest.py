"""Settings for every test: the CPU, no window, no deadline for compilation."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import jax
import pytest

# The parent keeps what hypothesis itself chooses on a CI machine (reproducible examples).
hypothesis.settings.register_profile("rnnjax", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("rnnjax")


@pytest.fixture(autouse=True, scope="session")
def _what_took_long_to_compile_is_kept(tmp_path_factory):
    """For this process alone: the ones that tests start and kill compile for themselves."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("programs")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


@pytest.fixture(autouse=True, scope="module")
def _compiled_programs_end_with_their_module():
    """Each program on the CPU holds memory maps, and the system allows a process only so many."""
    yield
    jax.clear_caches()
