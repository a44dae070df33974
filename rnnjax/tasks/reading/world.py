"""Stories of a small world that is made up: people walk between places, take things, drop them."""

import random
from collections.abc import Iterator, Sequence

from rnnjax.tasks.reading.babi import Question

PEOPLE = ("Ada", "Bela", "Carlos", "Dana", "Emil", "Farah", "Goro", "Hana", "Ivan", "Jun")
PLACES = ("attic", "bakery", "cellar", "dairy", "forest", "garden", "harbour", "kitchen")
THINGS = ("apple", "basket", "candle", "drum", "egg", "flute", "guitar", "hammer", "iron", "jug")
WALKS, TAKES, DROPS = ("went", "walked", "moved", "ran"), ("took", "grabbed"), ("dropped", "left")
KINDS = ("where is a person", "where is a thing", "who has", "is a person at", "where before")

STORIES = {"train": 3000, "validation": 100, "test": 200}
DIAGONALS = {"train": (0, 1, 2, 3, 4, 5), "validation": (6, 7), "test": (8, 9)}
"""Who carries what: person i and thing j, (j - i) modulo 10. No split has the pairs of another."""

CAST, EVENTS = 3, (3, 12)
"""People in a story, and its shortest and longest numbers of sentences."""


def make_world(split: str) -> list[Question]:
    """The questions of a split, the same in every run: up to one of each kind a story."""
    rng = random.Random(f"world {split}")
    questions: list[Question] = []
    for number in range(STORIES[split]):
        asked = list(_story(rng, DIAGONALS[split]))
        questions += (one._replace(story_number=number, place=f"story {number}") for one in asked)
    return questions


def _story(rng: random.Random, diagonals: Sequence[int]) -> Iterator[Question]:
    """Tells what happens, and asks."""
    cast = rng.sample(range(len(PEOPLE)), CAST)
    carried_by: dict[int, list[int]] = {
        (i + diagonal) % 10: [] for i in cast for diagonal in diagonals
    }
    for thing, people in carried_by.items():
        people += [i for i in cast if (thing - i) % 10 in diagonals]
    things = rng.sample(sorted(carried_by), min(3, len(carried_by)))
    walks: dict[int, list[tuple[int, str]]] = {}  # of a person: sentence and place
    taken: dict[int, tuple[int, int]] = {}  # of a thing: sentence and person
    dropped: dict[int, tuple[int, int, str]] = {}  # the sentences of drop and walk, and the place
    story: list[str] = []
    for now in range(rng.randint(*EVENTS)):
        acts = [(i, "walk", -1) for i in cast for _ in range(2)]
        for thing in things:
            if thing in taken:
                acts += [(taken[thing][1], "drop", thing)] * (taken[thing][1] in walks)
            else:
                at = dropped[thing][2] if thing in dropped else None
                able = [i for i in carried_by[thing] if i in walks]
                acts += [(i, "take", thing) for i in able if at in (None, walks[i][-1][1])] * 3
        person, act, thing = rng.choice(acts)
        if act == "walk":
            here = walks[person][-1][1] if person in walks else None
            place = rng.choice([place for place in PLACES if place != here])
            walks.setdefault(person, []).append((now, place))
            said = f"{rng.choice(WALKS)} to the {place}"
        elif act == "take":
            taken[thing] = now, person
            said = f"{rng.choice(TAKES)} the {THINGS[thing]}"
        else:
            del taken[thing]
            dropped[thing] = now, *walks[person][-1]
            said = f"{rng.choice(DROPS)} the {THINGS[thing]}"
        story.append(f"{PEOPLE[person]} {said}.")

    def ask(kind: int, text: str, answer: str, *facts: int) -> Question:
        return Question(tuple(story), text, answer, facts, kind=KINDS[kind])

    person = rng.choice(sorted(walks))
    name, (when, place) = PEOPLE[person], walks[person][-1]
    yield ask(0, f"Where is {name}?", place, when)
    other = rng.choice([place, rng.choice(PLACES)])
    yield ask(3, f"Is {name} in the {other}?", "yes" if other == place else "no", when)
    if touched := sorted(taken | dropped):
        thing = rng.choice(touched)
        text = f"Where is the {THINGS[thing]}?"
        if thing in taken:
            when, holder = taken[thing]
            yield ask(1, text, walks[holder][-1][1], when, walks[holder][-1][0])
        else:
            drop, walk, where = dropped[thing]
            yield ask(1, text, where, drop, walk)
        thing = rng.choice(touched)
        if thing in taken:
            when, holder = taken[thing]
            answer = PEOPLE[holder].lower()
        else:
            when, answer = dropped[thing][0], "nobody"
        yield ask(2, f"Who has the {THINGS[thing]}?", answer, when)
    moves = [
        (PEOPLE[i], place, its[n], its[n + 1])
        for i, its in sorted(walks.items())
        for n, (_, place) in enumerate(its[1:])
        if [its_place for _, its_place in its].count(place) == 1
    ]
    if moves:
        name, place, (before, where), (after, _) = rng.choice(moves)
        yield ask(4, f"Where was {name} before the {place}?", where, after, before)
