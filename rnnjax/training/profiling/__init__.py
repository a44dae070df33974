"""What a training step spends its time on: a trace of some steps, and a table of operations."""

from rnnjax.training.profiling.operations import Operation, Profile, read_profile
from rnnjax.training.profiling.tables import profile_section, profile_text
from rnnjax.training.profiling.tracing import FOLDER, TracedSteps, parse_steps, traced

__all__ = [
    "FOLDER",
    "Operation",
    "Profile",
    "TracedSteps",
    "parse_steps",
    "profile_section",
    "profile_text",
    "read_profile",
    "traced",
]
