"""``python -m tests.load``: runs a load test and prints its tables; exit code 1 if a promise was broken."""

from collections.abc import Sequence

from tests.campaign.command import parser, run_in_folder, seed_of
from tests.load.run import Plan, Result, run


def main(words: Sequence[str] | None = None) -> None:
    """Run and print."""
    made = parser("python -m tests.load", __doc__)
    made.add_argument("--clients", type=int, default=200)
    made.add_argument("--seconds", type=float, default=60.0)
    arguments = made.parse_args(words)
    plan = Plan(arguments.clients, arguments.seconds, seed_of(arguments))
    title = f"Seed {plan.seed}, {plan.clients} clients, {plan.seconds:.0f} seconds"
    run_in_folder(lambda folder, say: run(plan, folder, say), Result.table, title=title, keep=arguments.keep)


if __name__ == "__main__":
    main()
