"""Activity: a network reads a video frame by frame and says what is done in it, and how soon.

    python -m experiments.activity                    digits that wait and then move or turn
    python -m experiments.activity --config.data=VIDEOS.npz --workdir=runs/mine
    python -m experiments.activity --preset=msr_action3d --config.data=skeletons.tar.xz \\
        --workdir=runs/msr                            joints of 20 actions; test: unseen persons

Frames are images, read by a small CNN, or joints of a skeleton. Then, with the --workdir of the
training:

    --mode=evaluate --split=test                      accuracy, and by the first 10, 20, ... % of
                                                      the frames
    --mode=predict --input=VIDEOS.npz                 the activity in each video, and in its first
                                                      half; or --input=a01_s02_e03_skeleton.txt
    --mode=inspect --index=0                          the prediction over time for a test video
"""

from dataclasses import dataclass, replace

from experiments.experiment import Experiment, Measures, ModeOptions, Preset, Run
from rnnjax import training
from rnnjax.data.files import regular_file
from rnnjax.errors import UserError
from rnnjax.tasks.activity import activity_model, reports, skeletons
from rnnjax.tasks.activity.clips import Clip, Videos, read_npz
from rnnjax.tasks.activity.config import ActivityConfig as Config
from rnnjax.tasks.activity.preparation import load_splits, prepare
from rnnjax.training import setting


@dataclass(frozen=True, kw_only=True)
class Options(ModeOptions):
    """The flags of the single modes."""

    input: str | None = setting(None, "an .npz file or a skeleton file.", modes="predict")
    index: int = setting(0, "which video of the split, from 0.", modes="inspect")


MOVING = Config(num_steps=1000, learning_rate=3e-3, eval_every=100, checkpoint_every=300)
PRESETS = {
    "default": Preset("Moving and turning digits, a bidirectional GRU.", MOVING),
    "msr_action3d": Preset(
        "MSR Action3D, 20 actions, subjects 1, 3, 5, 7 and 9 for training: --config.data=PATH. Add "
        "--config.validation_subjects=9 to hold one out.",
        replace(
            MOVING, validation_subjects="", num_buckets=3, hidden_size=96, num_layers=2,
            dropout=0.4, optimizer="adamw", weight_decay=1e-3, learning_rate=2e-3, eval_every=1000,
        ),
    ),
}  # fmt: skip


def predict(run: Run) -> None:
    """Prints the activity in each video of a file."""
    file = run.needed("input", "VIDEOS.npz or --input=SKELETON.txt")
    model = run.trained_model()
    if file.endswith(".txt"):
        joints = skeletons.parse(regular_file(file).read_bytes(), file)
        clips = [Clip(joints, "", file)]
    else:
        clips = read_npz(file, labelled=False)
    print(reports.predict_clips(model, clips))


def inspect(run: Run) -> None:
    """Draws the prediction over time for one video."""
    model = run.trained_model()
    clips, index = run.chosen_split(load_splits(run.config, model.videos)), run.options.index
    if not 0 <= index < len(clips):
        raise UserError(f"--index is from 0 to {len(clips) - 1}; got {index}")
    files = {"over_time.png": reports.draw_over_time(model, clips[index])}
    print(reports.predict_clips(model, clips[index : index + 1]))
    print(f"Prediction over time: {training.write_results(run.workdir, files)}")


EXPERIMENT = Experiment(
    name="activity",
    summary="what is done in a video, and how soon; moving digits; 2 min; 60% right",
    title="Activity",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=Videos,
    prepare=lambda run: prepare(run.config, run.vocabulary()),
    model=lambda config, prepared: activity_model.make_model(config, prepared.vocabulary),
    loss=lambda config, prepared: activity_model.batch_loss,
    measures=lambda config: Measures("video", "frame", metric="accuracy", scale="%"),
    splits=lambda run, model: load_splits(run.config, model.videos),
    report_scores=reports.report_scores,
    modes={"predict": predict, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
