"""Training: optimizers, the jitted step, the loop, checkpoints, metrics and the report.

Nothing here knows a task: a run is a loss function, parameters and an iterator of batches.
"""

from rnnjax.training import processes
from rnnjax.training.checkpoints.reading import (
    find_checkpoint,
    read_meta,
    read_run,
    restore_model,
    restore_params,
    tensor_name,
)
from rnnjax.training.checkpoints.workdir import (
    Workdir,
    check_owner,
    open_workdir,
    write_export,
)
from rnnjax.training.config import MAY_CHANGE, Settings, TrainingConfig, by_heading, chosen, setting
from rnnjax.training.devices.memory import check_memory
from rnnjax.training.devices.mesh import make_gpus_deterministic, make_mesh
from rnnjax.training.devices.placement import LOCAL, Placement, choose_placement
from rnnjax.training.evaluate import evaluate, make_dynamic_eval_step, result_of, results_of
from rnnjax.training.loop import EXIT_LOST, ProcessLost, TrainingDiverged, TrainResult, train
from rnnjax.training.optimizers.averaging import make_average
from rnnjax.training.optimizers.factory import make_optimizer, make_schedule
from rnnjax.training.processes.group import check_agreement, code_version
from rnnjax.training.processes.loss_message import cancel_loss_message
from rnnjax.training.processes.signals import (
    EXIT_SAVED,
    EXIT_STOPPED,
    Interrupted,
    end_at_second_signal,
)
from rnnjax.training.profiling.tracing import TracedSteps, parse_steps
from rnnjax.training.reporting.metrics_log import read_metrics
from rnnjax.training.reporting.progress import Measures, say, tell, with_progress
from rnnjax.training.reporting.report import draw_curves, read_results, write_report, write_results
from rnnjax.training.state import create_state, evaluation_params, num_parameters
from rnnjax.training.step import (
    Loss,
    LossFn,
    Task,
    loss_of_params,
    make_eval_step,
    make_train_step,
    make_training,
)
from rnnjax.visuals import Section

__all__ = [
    "EXIT_LOST", "EXIT_SAVED", "EXIT_STOPPED", "LOCAL", "MAY_CHANGE",
    "Interrupted", "Loss", "LossFn", "Measures", "Placement", "ProcessLost",
    "Section", "Settings", "Task", "TracedSteps", "TrainResult", "TrainingConfig",
    "TrainingDiverged", "Workdir", "by_heading", "cancel_loss_message", "check_agreement",
    "check_memory", "check_owner", "choose_placement", "chosen", "code_version", "create_state",
    "draw_curves", "end_at_second_signal", "evaluate", "evaluation_params", "find_checkpoint",
    "loss_of_params", "make_average", "make_dynamic_eval_step", "make_eval_step",
    "make_gpus_deterministic", "make_mesh", "make_optimizer", "make_schedule",
    "make_train_step", "make_training", "num_parameters", "open_workdir", "parse_steps",
    "processes", "read_meta", "read_metrics", "read_results", "read_run",
    "restore_model", "restore_params", "result_of", "results_of", "say", "setting", "tell",
    "tensor_name", "train", "with_progress", "write_export", "write_report", "write_results",
]  # fmt: skip
