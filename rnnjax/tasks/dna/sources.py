"""Sequences from files: tables with a class or tags of each sequence, and FASTA."""

from rnnjax import data
from rnnjax.data.examples import SUFFIXES, numbered_lines, suffix_of
from rnnjax.data.labelled import as_column, check_classes, drawn_splits, read_columns
from rnnjax.data.named_splits import split_files
from rnnjax.errors import UserError
from rnnjax.tasks.dna.config import DnaConfig
from rnnjax.tasks.dna.generator import generated
from rnnjax.tasks.dna.nucleotides import encode

FASTA = (".fa", ".fasta", ".fna")

Splits = dict[str, list[data.Example]]
"""Examples by split, each with the fields sequence and label, or sequence and tags."""


def load_sequences(config: DnaConfig) -> Splits:
    """The sequences of a config, by split.

    Its data are `embedded`; a folder whose files say in their names which split they hold, or
    `train=PATH,validation=PATH,test=PATH` (see `rnnjax.data.named_splits`); or one file, of which
    a tenth each is drawn for test and validation, the same in every run.

    Raises:
        UserError: there is no such source, it cannot be read, a split or a column is missing, or
            the classes cannot be used.
    """
    field = "tags" if config.problem == "genes" else "label"
    if config.data == "embedded":
        if field == "label":
            raise UserError("the embedded data are genes: --config.problem=classes needs a file")
        return generated()
    found = split_files(config.data, pool=True)
    splits = found.read(lambda path: read_sequences(str(path), config, field))
    if found.pooled:
        splits = drawn_splits(splits["train"], config.fold, config.data, "sequence")
    if field == "label":
        check_classes(splits, config.data, "sequence")
    return splits


def read_sequences(path: str, config: DnaConfig, field: str | None = None) -> list[data.Example]:
    """The sequences of a file, with the field sequence and another one.

    Args:
        path: .tsv, .csv, .jsonl (see `data.read_examples`), or FASTA (see `read_fasta`); any other
            file is read as CSV.
        config: names the columns, and the encoding.
        field: label or tags; None: sequences alone.

    Raises:
        UserError: the file cannot be read, a column is missing, or a label is empty.
    """
    kind = suffix_of(path)
    if kind in FASTA:
        if field:
            raise UserError(f"{path} is FASTA, which has no {field}: expected a table")
        return read_fasta(path, encoding=config.encoding)
    columns = {
        name: as_column(getattr(config, f"{name}_column"))
        for name in filter(None, ("sequence", field))
    }
    kind = kind if kind in SUFFIXES else ".csv"
    examples = read_columns(path, columns, kind=kind, encoding=config.encoding)
    for one in examples:
        one.fields.update({name: value.strip() for name, value in one.fields.items()})
        if not one.fields.get("label", "-"):
            raise UserError(f"{one.place}: the label is empty")
    return examples


def read_fasta(path: str, *, encoding: str) -> list[data.Example]:
    """The records of a FASTA file, a line `>NAME ...` and lines of a sequence: name and sequence.

    Raises:
        UserError: the file cannot be read, does not begin with `>`, or has another letter.
    """
    records: list[data.Example] = []
    for place, line in numbered_lines(path, encoding=encoding):
        line = line.rstrip()
        if line.startswith(">"):
            name = (line[1:].split() or [""])[0]
            records.append(data.Example({"name": name, "sequence": ""}, place))
            continue
        if not records:
            raise UserError(f"{place}: expected a line >NAME before the first sequence of FASTA")
        encode(line, place, "")
        records[-1].fields["sequence"] += line
    if not records:
        raise UserError(f"{path} has no sequences")
    return records
