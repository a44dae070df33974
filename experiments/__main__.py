"""Lists the experiments: a line each with what it does, its default data, time and score.

python -m experiments                 this list
python -m experiments NAME [flags]    as python -m experiments.NAME [flags]
"""

import importlib
import sys

from experiments import summaries


def main(argv: list[str]) -> None:
    """Runs the experiment that comes first in the command line; without one, lists them all."""
    if not argv or argv[0] in ("-h", "--help"):
        try:
            print("python -m experiments.NAME trains it; --help lists its modes and flags.\n")
            width = max(map(len, summaries()))
            print("\n".join(f"  {name:{width}}  {about}" for name, about in summaries().items()))
            sys.stdout.flush()
        except OSError as error:
            from experiments import cli  # imports JAX, which takes seconds

            with cli.plain_errors():
                raise error
        return
    name, *flags = argv
    if name not in summaries():
        from rnnjax.errors import did_you_mean  # imports JAX, which takes seconds

        hint = did_you_mean(name, summaries())
        print(f"error: there is no experiment {name!r}; {hint}", file=sys.stderr)
        sys.exit(2)
    importlib.import_module(f"experiments.{name}").EXPERIMENT.main(flags)


if __name__ == "__main__":
    main(sys.argv[1:])
