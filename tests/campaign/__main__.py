"""``python -m tests.campaign``: runs a crash campaign and prints its table; exit code 1 if a promise was broken."""

from collections.abc import Sequence

from tests.campaign.campaign import run
from tests.campaign.command import parser, run_in_folder, seed_of
from tests.campaign.plan import Plan
from tests.campaign.report import table


def main(words: Sequence[str] | None = None) -> None:
    """Run and print."""
    made = parser("python -m tests.campaign", __doc__)
    made.add_argument("--rounds", type=int, default=200)
    arguments = made.parse_args(words)
    plan = Plan(arguments.rounds, seed_of(arguments))
    title = f"Seed {plan.seed}, {plan.rounds} rounds"
    run_in_folder(lambda folder, say: run(plan, folder, say), table, title=title, keep=arguments.keep)


if __name__ == "__main__":
    main()
