#!/usr/bin/env bash
# Makes tests/reference/runs: a small run of each experiment, and what --mode=evaluate said of it.
# The stored ones were written at commit 6b95af4 (jax 0.10.2, Orbax 0.12.8), before the code moved into rooms:
# made again with newer code they would no longer tell whether old checkpoints restore.
set -euo pipefail
cd "${1:?usage: make_runs.sh FOLDER, which holds the folders sents and photos}"
python -m experiments.char_lm --workdir=char_lm --preset=hello --config.num_steps=200 \
  --config.hidden_size=8
python -m experiments.ner --workdir=ner --config.data=sents --config.embed_size=8 \
  --config.character_embed_size=4 --config.character_size=4 --config.case_size=4 \
  --config.hidden_size=8 --config.num_buckets=1 --config.batch_size=6 --config.warmup_steps=0 \
  --config.average=none --config.num_steps=40 --config.learning_rate=0.05 --config.eval_every=20 \
  --config.checkpoint_every=20
python -m experiments.captioning --workdir=captioning --config.data=photos \
  --config.held_out=0.25 --config.image_size=16 --config.feature_size=12 --config.hidden_size=8 \
  --config.embed_size=6 --config.attention_size=6 --config.warmup_steps=0 --config.batch_size=12 \
  --config.num_steps=150 --config.optimizer=sgd --config.momentum=0 --config.learning_rate=0.5 \
  --config.num_buckets=1 --config.average=none --config.num_counts=2 --config.detection_weight=1 \
  --config.detection_steps=50 --config.eval_every=150 --config.swap_rate=0 --config.min_count=1
for run in char_lm ner captioning; do
  python -m "experiments.$run" --workdir=$run --mode=evaluate | grep -v METEOR >$run/evaluation.txt
done
