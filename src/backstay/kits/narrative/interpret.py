"""Interpret: what a player's free text asks for, by its verbs and nouns, without a model.

Verbs decide the action, nouns the object; a verb that is denied ("do not punish ...") does not count. Confidences are those of
the simulation's verbs: allocate 0.8, delegate 0.75, negotiate 0.7, inspire 0.8, suppress 0.7, else unknown 0.5. Where the text
leaves an amount open, a small one is assumed, and the confidence is lower by 0.15.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from backstay.kits.narrative.order import Action, Decision

WORD: Final = re.compile(r"(?:(?<![\w-])[-\u2212])?\d+|[a-z][a-z'-]*")
CONFIDENCE: Final[Mapping[Action, float]] = {
    "allocate": 0.8, "delegate": 0.75, "negotiate": 0.7, "inspire": 0.8, "suppress": 0.7, "unknown": 0.5,
}  # fmt: skip
ASSUMED: Final = 20
"""The amount that is meant where none is said."""

LESS_SURE: Final = 0.15

VERBS: Final[Mapping[Action, str]] = {
    "allocate": "allocate give share hand distribute grant pay spend offer feed donate provide gift reward hands gives",
    "delegate": "delegate assign send order task command put set have let make tell appoint charge move dispatch "
    "build construct finish raise work start begin repair mend get fetch bring collect need",
    "negotiate": "negotiate talk speak meet parley mediate listen bargain discuss apologize apologise reconcile visit "
    "ask confer settle hear consult peace",
    "inspire": "inspire motivate encourage praise rally cheer speech address thank comfort reassure hearten toast "
    "celebrate feast festival party promise console hug",
    "suppress": "suppress restrict punish arrest forbid ban threaten silence jail imprison confine curfew crush fine "
    "restrain lock crack whip kill hang execute beat attack hurt exile banish chain flog",
}
TASKS: Final = {
    "farm": "farm farming harvest fields field plough plow sow plant reap crops",
    "hunt": "hunt hunting fish fishing forage foraging game deer traps trap",
    "gather": "gather chop fell log logs lumber woodcutting woods forest",
    "build": "build building construct finish raise",
    "guard": "guard guarding patrol watch defend protect scout",
    "trade": "trade trading sell market",
    "buy": "buy buying purchase",
    "heal": "heal nurse tend nursing healing",
    "rest": "rest sleep holiday idle leisure",
}
GOODS: Final = {
    "food": "food grain bread corn meal meals provisions flour",
    "timber": "timber wood firewood planks boards",
    "coin": "coin coins money gold silver",
    "medicine": "medicine medicines herbs remedies doses",
}
FACTIONS: Final = {
    "growers": "growers grower farmers farmer peasants",
    "makers": "makers maker builders craftsmen smiths carpenters crafters",
    "wardens": "wardens warden warriors warrior guards soldiers fighters",
    "traders": "traders trader merchants merchant",
}
WORKS: Final = {
    "granary": "granary barn silo",
    "palisade": "palisade wall walls fence stockade",
    "infirmary": "infirmary hospital sickhouse",
}
EVERYBODY: Final = frozenset((
    "everyone", "everybody", "people", "villagers", "folk", "all", "town", "village", "households", "families", "sick", "ill",
    "hungry", "poor", "needy", "children", "houses", "each", "ourselves",
))  # fmt: skip
PLACES: Final = frozenset(("town", "village"))
"""What is everybody, and also where they live: "defend the village" sends nobody in particular."""

DENIALS: Final = frozenset(["don't", "dont", "not", "never", "stop", "won't", "cannot", "without", "no"])
FEASTS: Final = frozenset(["feast", "festival", "banquet", "celebrate", "party", "dance", "revel"])
USUAL: Final = re.compile(
    r"\b(?:keep|go on|continue|carry on|stay|back to|return to) (?:on )?(?:with )?(?:(?:the|their|its|your) )?"
    r"(?:usual |own )?(?:work|working|trade|job|post|posts|craft)\b"
)
"""How people are sent back to their own trade."""

BEFORE: Final = frozenset(("to", "with"))
TITLES: Final = frozenset(("the", "old", "young", "mister", "good"))
PRONOUNS: Final = frozenset((
    "me", "him", "her", "it", "us", "them", "you", "myself", "someone", "somebody", "anyone", "anybody", "my", "your", "their",
    "his", "our", "a", "an", "this", "that", "these", "those", "what", "about", "how", "why", "if", "whether", "some", "out",
    "more", "less", "half", "up", "away", "for", "from", "in", "on", "at", "of", "and", "or", "now", "then", "be", "down", "as",
    "over", "back", "around", "again", "hard", "harder", "well", "extra", "few", "little", "plenty", "please", "store", "sacks",
    "measures", "pieces", "reeve", "week", "today", "tonight", "him", "every", "any", "no", "none", "anything", "something",
))  # fmt: skip
"""What stands behind "talk to" and is no name."""

CLAUSE: Final = 4
"""Words that a denial reaches ahead."""

UNITS: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
NUMBERS: Final = {word: number for number, word in enumerate(UNITS)} | {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
    "hundred": 100, "dozen": 12,
}  # fmt: skip


def interpret(text: str, world: Mapping[str, Any]) -> Decision:
    """The Decision that `text` asks for in `world` (the view that the prompt carries)."""
    words = WORD.findall(text.lower().replace("\u2019", "'"))
    heard = _Heard(words, world)
    for read in (heard.rations, heard.feast, heard.work, heard.usual, heard.task, heard.verb):
        decision = read()
        if decision is not None:
            return decision
    return Decision(action="unknown", confidence=CONFIDENCE["unknown"], summary="no order was recognized in it")


Key = TypeVar("Key", bound=str)


def _index(table: Mapping[Key, str]) -> dict[str, Key]:
    return {word: key for key, words in table.items() for word in words.split()}


VERB_OF, TASK_OF, GOOD_OF = _index(VERBS), _index(TASKS), _index(GOODS)
FACTION_OF, WORK_OF = _index(FACTIONS), _index(WORKS)
BROUGHT: Final = {"timber": "gather", "medicine": "buy", "food": "hunt", "coin": "trade"}
"""What is done to have more of something."""

TRADE_OF: Final = {"growers": "farm", "makers": "gather", "wardens": "guard", "traders": "trade"}
KNOWN: Final = frozenset({*VERB_OF, *TASK_OF, *GOOD_OF, *FACTION_OF, *WORK_OF, *EVERYBODY, *NUMBERS})


class _Heard:
    """One text, and what it speaks of."""

    def __init__(self, words: Sequence[str], world: Mapping[str, Any]) -> None:
        self.words = words
        self.world = world
        self.verbs = [VERB_OF[word] for place, word in enumerate(words) if word in VERB_OF and not self._denied(place)]
        self.is_denied = not self.verbs and any(word in VERB_OF for word in words)
        self.target = self._target()
        self.good = next((GOOD_OF[word] for word in words if word in GOOD_OF), "food" if "feed" in words else "")
        self.task_word = next(
            (TASK_OF[word] for place, word in enumerate(words) if word in TASK_OF and not self._denied(place)), ""
        )

    def _denied(self, place: int) -> bool:
        return any(word in DENIALS for word in self.words[max(0, place - CLAUSE) : place])

    def _target(self) -> str:
        names = {str(one["name"]).lower(): str(one["id"]) for one in self.world.get("people", ())}
        for word in self.words:
            bare = word.removesuffix("'s")
            if bare in names:
                return str(names[bare])
        for word in self.words:
            if word.removesuffix("'s") in FACTION_OF:
                return str(FACTION_OF[word.removesuffix("'s")])
        if any(word in EVERYBODY for word in self.words):
            return "all"
        return self._misspelt(names)

    def _misspelt(self, names: Mapping[str, str]) -> str:
        """A person or faction whose name is nearly one of the words."""
        spelled = {**names, **{word: faction for word, faction in FACTION_OF.items() if len(word) > 5}}
        for word in self.words:
            if len(word) > 3 and word not in KNOWN:
                near = difflib.get_close_matches(word, spelled, n=1, cutoff=0.8)
                if near:
                    return spelled[near[0]]
        return ""

    def amount(self) -> int:
        """The number that is said, in figures or words, or as a part of the store; 0 where there is none. One below zero stays
        so: no order can carry it out."""
        total, found = 0, False
        for place, word in enumerate(self.words):
            figures = word.lstrip("-\u2212")
            value = int(figures[:6]) if figures.isdigit() else NUMBERS.get(word)
            if value is None:
                if found:
                    break
                continue
            is_article = word == "one" and place + 1 < len(self.words) and self.words[place + 1] in DENIALS
            if not is_article:
                if figures != word or self.words[max(0, place - 1) : place] == ["minus"]:
                    return -value
                total = max(total, 1) * value if word in ("hundred", "dozen") else total + value
                found = True
        if found:
            return total
        store = int(self.world.get("stock", {}).get(self.good, 0))
        text = " ".join(self.words)
        if "half" in self.words:
            return store // 2
        return (
            store
            if re.search(rf"\ball (?:of )?(?:the |our )?(?:{GOODS.get(self.good, '-').replace(' ', '|')})", text)
            else 0
        )

    def _decide(self, action: Action, *, doubt: bool = False, **facts: Any) -> Decision:
        sure = CONFIDENCE[action] - (LESS_SURE if doubt else 0)
        summary = " ".join(str(value) for value in (action, *facts.values()) if value)
        return Decision(action=action, confidence=round(sure, 2), summary=summary, **facts)

    def rations(self) -> Decision | None:
        """Less or more to eat for everyone."""
        words = set(self.words)
        if not words & {"ration", "rations", "rationing"} and not (
            "food" in words and words & {"cut", "halve", "tighten"}
        ):
            return None
        if self.is_denied or words & {"full", "restore", "normal", "raise", "lift", "end", "increase", "100"}:
            return self._decide("allocate", rations=100)
        return self._decide("suppress", rations=50 if words & {"half", "halve", "50", "starve"} else 75)

    def feast(self) -> Decision | None:
        """A feast lifts hearts and takes food."""
        if not FEASTS & set(self.words) or self.is_denied:
            return None
        return self._decide("inspire", target=self.target or "all", resource="food", amount=max(self.amount(), 0))

    def work(self) -> Decision | None:
        """Something that is to be built."""
        work = next((WORK_OF[word] for word in self.words if word in WORK_OF), "")
        if not work or "delegate" not in self.verbs:
            return None
        return self._decide("delegate", target=self.target, task="build", work=work)

    def usual(self) -> Decision | None:
        """A faction goes on with its own trade, or back to it."""
        if self.target not in TRADE_OF or not USUAL.search(" ".join(self.words)):
            return None
        return self._decide("delegate", target=self.target, task=TRADE_OF[self.target])

    def task(self) -> Decision | None:
        """A kind of work for a faction: after a verb of sending, or where there is no other verb."""
        if not self.task_word or self.task_word == "build":
            return None
        if self.good and self.amount() and "allocate" in self.verbs:
            return None
        is_plain = not self.verbs and not self.is_denied
        rests = self.task_word == "rest" and "allocate" in self.verbs
        target = "" if self.target == "all" and not (EVERYBODY - PLACES) & set(self.words) else self.target
        if not ("delegate" in self.verbs or is_plain or rests):
            return None
        return self._decide("delegate", target=target, task=self.task_word)

    def verb(self) -> Decision | None:
        """The first verb that is not denied."""
        if not self.verbs:
            return None
        action: Action = "negotiate" if "peace" in self.words and "negotiate" in self.verbs else self.verbs[0]
        if self.good and (action == "allocate" or (action == "delegate" and self.amount())):
            amount = self.amount()
            assumed = min(ASSUMED, max(1, int(self.world.get("stock", {}).get(self.good, ASSUMED))))
            return self._decide(
                "allocate",
                doubt=not amount,
                target=self.target or self._stranger() or "all",
                resource=self.good,
                amount=max(amount, 0) if amount else assumed,  # of less than nothing the rules ask how much
            )
        if action == "delegate" and self.good in BROUGHT:
            return self._decide("delegate", target=self.target, task=BROUGHT[self.good])
        if action in ("allocate", "delegate"):
            return None
        target = self.target or ("all" if action == "inspire" else self._stranger())
        return self._decide(action, doubt=not self.target, target=target)

    def _stranger(self) -> str:
        """A name that nobody here has, so that it can be said that nobody has it."""
        places = [place for place, word in enumerate(self.words) if word in BEFORE or word in VERB_OF]
        for place in places:
            word = next((one for one in self.words[place + 1 : place + 3] if one not in TITLES), "").removesuffix("'s")
            if word and not word.isdigit() and word not in KNOWN and word not in PRONOUNS and word not in BEFORE:
                return word
        return ""
