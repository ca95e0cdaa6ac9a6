"""Leader: a Reeve who plays by itself, in plain words, so that a run exercises everything that a player's text does.

It is a policy, not a clever one: it reads the state, says its orders as free text, and draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.kits.narrative.crisis import cost_of
from backstay.kits.narrative.realm import Realm
from backstay.kits.narrative.setting import GRIEVANCE, Settings

AMPLE = 260
"""Food at which nobody is sent for more."""


def orders(realm: Realm, settings: Settings) -> Iterator[str]:
    """What to say this week, the most urgent first. Look at the realm again after each one."""
    if realm.crisis is not None:
        yield _choose(realm)
    ill = sum(1 for one in realm.people if one.sick)
    if realm.stock["medicine"] and ill >= 2:
        yield f"Give {min(ill, realm.stock['medicine'])} medicine to everyone who is ill."
    yield from _labour(realm, settings)
    yield from _works(realm)
    yield from _hearts(realm)


def advice(realm: Realm, settings: Settings, most: int = 3) -> str:
    """What the elders would do this week, in words that the player may say, the most urgent first."""
    said = []
    for words in orders(realm, settings):
        is_choice = realm.crisis is not None and words.isdigit()
        said.append(f"Meet the crisis: {words}." if is_choice else words)
        if len(said) == most:
            break
    if not said:
        return "The elders look at the store, and at each other. Nothing presses; let the week pass."
    return "\n".join(["The elders put their heads together:", *(f"  {one}" for one in said)])


def _choose(realm: Realm) -> str:
    """Pay where the store holds it, else talk, else whatever is left."""
    assert realm.crisis is not None
    ways = [one.approach for one in realm.crisis.options]
    cost = cost_of(realm.crisis.type, realm.crisis.severity)
    can_pay = all(realm.stock[good] >= count for good, count in cost.items())
    wanted = ["pay"] if can_pay else []
    best = next((way for way in [*wanted, "talk", "force", "endure"] if way in ways), "endure")
    return str(ways.index(best) + 1)


def _labour(realm: Realm, settings: Settings) -> Iterator[str]:
    food, wardens, traders = realm.stock["food"], realm.faction("wardens"), realm.faction("traders")
    growers = realm.faction("growers")
    sown = "hunt" if realm.season == "winter" else "farm"
    if growers.task != sown:
        yield f"Let the farmers {'hunt and fish while the ground is hard' if sown == 'hunt' else 'go back to the fields'}."
    if food < AMPLE and traders.task != "buy" and realm.stock["coin"] >= 15:
        yield "Send the merchants to buy food beyond the pass."
    if traders.task == "buy" and (food >= AMPLE + 60 or realm.stock["coin"] < 5):
        yield "The Traders shall go back to trade."
    if food < settings.scarce_food and wardens.task != "hunt" and realm.threat < 500:
        yield "Tell the Wardens to hunt deer."
    if wardens.task != "guard" and (realm.threat >= 500 or food >= AMPLE):
        yield "Order the Wardens to guard the valley again."
    if food < settings.scarce_food // 2 and realm.rations > 75:
        yield "Cut the rations for a while."
    if food >= AMPLE and realm.rations < 100:
        yield "Restore full rations for all."


def _hearts(realm: Realm) -> Iterator[str]:
    angry = next((one.person for one in realm.problems if one.type == GRIEVANCE), "")
    if angry:
        yield f"Talk to {angry}: I am sorry, and I listen."
    low = min(realm.factions, key=lambda one: (realm.mean(one.id, "mood"), one.id))
    if realm.mean(low.id, "mood") < 420 and realm.cheer < 4:
        if realm.stock["food"] > AMPLE + 80:
            yield "Hold a feast for everyone."
        yield f"Speak to {low.name} and encourage them."
    cold = min(realm.factions, key=lambda one: (realm.mean(one.id, "loyalty"), one.id))
    if realm.mean(cold.id, "loyalty") < 420:
        if realm.stock["coin"] > 60:
            yield f"Give 25 coin to {cold.name}."
        yield f"Negotiate with {cold.name}."
    if realm.cheer < 2:
        yield "Praise the people of the village."


def _works(realm: Realm) -> Iterator[str]:
    makers = realm.faction("makers")
    next_work = next((work for work in realm.works if not realm.is_built(work)), "")
    if makers.task == "build" and realm.stock["timber"] < 4:
        yield "Let the Makers gather timber in the woods."
    elif next_work and makers.task != "build" and realm.stock["timber"] >= 24:
        yield f"Have the Makers build the {next_work}."
