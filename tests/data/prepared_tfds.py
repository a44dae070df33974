"""Data sets in TFDS's own prepared format, written by TFDS itself, without TensorFlow."""

import tensorflow_datasets as tfds


def write_tfds(data_dir, name, features, splits, version="1.0.0", config=""):
    """Writes {split: [{feature: value} of each example]}, two examples a file."""
    folder = data_dir / name / config / version
    folder.mkdir(parents=True)
    identity = tfds.core.dataset_info.DatasetIdentity(
        name=name,
        version=tfds.core.Version(version),
        data_dir=str(folder),
        module_name="tests",
        config_name=config or None,
    )
    info = tfds.core.DatasetInfo(builder=identity, features=tfds.features.FeaturesDict(features))
    writer = tfds.core.SequentialWriter(
        info, max_examples_per_shard=2, file_format="array_record", overwrite=False
    )
    writer.initialize_splits(list(splits))
    for split, rows in splits.items():
        writer.add_examples({split: rows})
    writer.close_splits(list(splits))
