"""What to do next on a node: the verdict on each card, and at most one long action."""

from gharial_agent.decide.card import Case, judge_card
from gharial_agent.decide.facts import Desired, Limits, NodeFacts
from gharial_agent.decide.verdict import LONG_ACTIONS, Action, Plan


def decide(observed: NodeFacts, desired: Desired, now: float, limits: Limits) -> Plan:
    """Verdicts by unique id, and the actions in order: short ones first, then the first long one."""
    verdicts = {
        facts.unique_id: judge_card(Case(facts, desired, observed.image, observed.operation, limits, now))
        for facts in observed.cards
    }
    wanted = [verdict.action for verdict in verdicts.values() if verdict.action is not None]
    short: list[Action] = [action for action in wanted if not isinstance(action, LONG_ACTIONS)]
    long = [action for action in wanted if isinstance(action, LONG_ACTIONS)]
    return Plan(verdicts, (*short, *long[:1]))
