"""The mode export, the same of every task: weights, programs and a model card in a folder."""

import json
from typing import Any

import jax
from flax import nnx

import rnnjax
from experiments.run import Run
from rnnjax import training
from rnnjax.interchange.program import export_program
from rnnjax.models.network import Program
from rnnjax.training.atomic_files import as_json
from rnnjax.training.checkpoints.arrays import flatten
from rnnjax.training.reporting.report import RESULTS

FOLDER = "export"
CARD = """\
---
library_name: rnnjax
tags: [jax, rnn, {name}]
---

# {title}

A network of {size:,} parameters, trained by the experiment `{name}` of rnnjax {version}, after
{step:,} updates.

## Scores

{scores}

## Data

{data}

## How to load it

With rnnjax, in Python or as `--workdir` of the experiment's modes:

```python
import rnnjax

trained = rnnjax.load("{folder}")
```

The weights are in `model.safetensors`, by name; `meta.json` and `vocabulary.json` say how rnnjax
reads and writes what the network does.

{programs}

## Config

```json
{config}
```

## Network

```
{summary}
```
"""
PROGRAMS = """\
These programs run where rnnjax is not installed, on CPU, GPU or TPU and for any B and T; they take
`pip install jax flatbuffers safetensors`:

{listed}

```python
from pathlib import Path

from jax import export
from safetensors.numpy import load_file

weights = load_file("model.safetensors")
program = export.deserialize(bytearray(Path("{file}").read_bytes()))
results = program.call(weights, {call})
```"""
NO_PROGRAMS = "This task has no program that runs without rnnjax."


def export(run: Run) -> None:
    """Writes `WORKDIR/export`, which `rnnjax.load` reads, and says what is in it."""
    model = rnnjax.load(run.workdir).model
    programs = {f"{name}.jax_export": program for name, program in model.programs().items()}
    meta = training.read_meta(run.workdir, "best")
    files: dict[str, str | bytes] = {
        name: _serialized(model, program) for name, program in programs.items()
    }
    if "vocabulary" in meta.extra:
        files["vocabulary.json"] = meta.extra["vocabulary"]
    results = training.read_results(run.workdir)
    if results is not None:
        files[RESULTS] = as_json(results)
    files["README.md"] = _card(run, model, meta, results or {}, programs)
    folder = run.workdir / FOLDER
    training.write_export(run.workdir, folder, files)
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    if not programs:
        print(NO_PROGRAMS)


def _serialized(model: Any, program: Program) -> bytes:
    graph, params = nnx.split(model, nnx.Param)
    tensors = {training.tensor_name(path): array for path, array in flatten(params).items()}
    structure = jax.tree.structure(params)

    def function(tensors: dict[str, Any], **arguments: Any) -> Any:
        leaves = [tensors[name] for name in names]
        return program.function(
            nnx.merge(graph, jax.tree.unflatten(structure, leaves)), **arguments
        )

    names = list(tensors)
    return export_program(function, tensors, program.arguments)


def _card(
    run: Run, model: Any, meta: Any, results: dict[str, Any], programs: dict[str, Program]
) -> str:
    """The model card: what the network is, how good, of which data, and how to use it."""
    rows = [f"| {name} | {value} |" for name, value in results.items()]
    data = meta.config.get("data", "")
    digest = meta.extra.get("corpus")
    told = NO_PROGRAMS
    if programs:
        first, program = next(iter(programs.items()))
        told = PROGRAMS.format(
            listed="\n".join(f"- `{name}`: {program.about}." for name, program in programs.items()),
            file=first,
            call=", ".join(f"{name}={name}" for name in program.arguments),
        )
    return CARD.format(
        name=run.experiment.name,
        title=run.experiment.title,
        size=training.num_parameters(nnx.state(model, nnx.Param)),
        version=rnnjax.__version__,
        step=meta.step,
        scores="\n".join(["| score | value |", "|---|---|", *rows])
        if rows
        else "The training has not come to its end: there are no scores.",
        data=(f"`--config.data={data}`" if data else "The task makes its own.")
        + (f" Digest of what was read: `{digest}`." if digest else ""),
        folder=FOLDER,
        programs=told,
        config=json.dumps(meta.config, indent=1),
        summary=model.summary(),
    )
