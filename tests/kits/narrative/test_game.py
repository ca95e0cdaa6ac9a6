"""The game: one seed is one game; what it tells never repeats itself within the window; its figures mean what they say."""

from __future__ import annotations

import msgspec
import pytest

from backstay.kits.narrative import Game, Settings, Week, lead
from backstay.kits.narrative.game import load, save
from backstay.kits.narrative.grammar import sentences
from backstay.kits.narrative.order import Decision, carry_out
from backstay.kits.narrative.problem import find_problems
from backstay.kits.narrative.realm import Realm, new_realm
from backstay.kits.narrative.setting import CONFLICT, GRIEVANCE, MORALE, SCARCITY, band_of
from backstay.kits.narrative.week import live

from .seat import lived, open_table, play


def realm() -> Realm:
    return new_realm(lived(), 7, Settings())


async def test_one_seed_is_one_game() -> None:
    """Two plays of a seed have one story and one state in every week; another seed has another."""
    (_, one), (_, two), (_, other) = await play(30), await play(30), await play(30, seed=8)
    assert one == two
    assert one.story_hash != other.story_hash


@pytest.mark.parametrize("seed", [1, 7, 23])
async def test_no_sentence_comes_again_within_the_window(seed: int) -> None:
    """In a year and more, no sentence of the chronicle stands among the forty that were told before it."""
    shown: list[Week] = []
    await play(60, seed=seed, shown=shown)
    told: list[str] = []
    for week in shown:
        for sentence in sentences(week.story):
            assert sentence not in told[-Settings().window :], sentence
            told.append(sentence)
    assert len(told) > 150


async def test_a_village_without_orders_falls() -> None:
    """Losing is possible: who does nothing is sent away, and the leader's play is not luck."""
    async with open_table(Settings()) as client:
        game = Game.new(seed=7, client=client, run=lived())
        while not game.realm.ended:
            await game.close_week()
    assert game.realm.ended in ("deposed", "emptied", "dismissed")
    assert game.ending()
    led, _ = await play(24)
    assert led.realm.ended in ("kept", "beloved")


async def test_a_saved_game_goes_on_as_if_it_had_not_stopped() -> None:
    """Saved in the middle, loaded in another client and run: the same last state as without the stop."""
    whole, _ = await play(20)
    settings = Settings(weeks=20)
    async with open_table(settings) as client:
        run = lived()
        game = Game.new(seed=7, client=client, run=run, settings=settings)
        while game.realm.week < 10:
            await _led_week(game)
        kept = load(save(game, run.base.rng.position))  # type: ignore[attr-defined]
    async with open_table(settings) as client:
        again = Game(kept.realm, client=client, run=lived(kept.dice), settings=kept.settings)
        await lead(again)
    assert again.last_hash == whole.last_hash


async def _led_week(game: Game) -> None:
    from backstay.kits.narrative.leader import orders

    said: set[str] = set()
    while game.realm.attention:
        words = next((one for one in orders(game.realm, game.settings) if one not in said), None)
        if words is None:
            break
        said.add(words)
        await game.say(words)
    await game.close_week()


async def test_titles_do_not_come_again_within_a_season() -> None:
    """Of six weeks in a row, no two have one title."""
    shown: list[Week] = []
    await play(48, shown=shown)
    titles = [week.title for week in shown]
    assert [title for place, title in enumerate(titles) if title in titles[max(0, place - 5) : place]] == []


async def test_an_order_tells_how_it_was_taken() -> None:
    """A feast moves everyone, praise one faction, kind words one person; work that they have already costs nothing."""
    settings = Settings(attention=9)
    async with open_table(settings) as client:
        game = Game.new(seed=7, client=client, run=lived(), settings=settings)
        name = game.realm.people[0].name
        game.realm.people[0].loyalty = 300
        assert (await game.say("hold a feast")).effect.startswith("everyone: loyalty +")
        assert (await game.say("praise the Makers")).effect.startswith("the Makers: ")
        assert (await game.say(f"talk to {name}: I am sorry")).effect.startswith(f"{name}: loyalty +")
        left = game.realm.attention
        again = await game.say("send the Wardens to guard")
        assert again.outcome.text == "The Wardens have that work already."
        assert game.realm.attention == left


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("1", "There is no crisis to answer"),
        ("talk to Nobody: hello", "nobody called Nobody"),
        ("give Nobody 10 coin", "nobody called Nobody"),
        ("how much food is there?", "`advice` asks the elders"),
        ("sing", "was not understood"),
    ],
)
async def test_what_cannot_be_done_says_what_can(words: str, said: str) -> None:
    """No dead end: the answer names the fault, or a way on; the state and the attention stay as they were."""
    async with open_table(Settings()) as client:
        game = Game.new(seed=7, client=client, run=lived())
        before = msgspec.json.encode(game.realm)
        heard = await game.say(words)
    assert not heard.outcome.is_done
    assert said in heard.outcome.text
    assert msgspec.json.encode(game.realm) == before


@pytest.mark.parametrize("data", [b"", b"{}", b'{"version": 2}', b"not json"])
def test_what_is_no_saved_game_is_refused(data: bytes) -> None:
    """One clear error."""
    with pytest.raises(ValueError, match="saved"):
        load(data)


def test_problems_begin_at_their_thresholds() -> None:
    """Food below 150, loyalty below 0.3 and 0.2, mood below 0.2; at the threshold there is none."""
    state, settings = realm(), Settings()
    state.stock["food"] = 150
    assert find_problems(state, settings) == []
    state.stock["food"] = 149
    assert [one.type for one in find_problems(state, settings)] == [SCARCITY]
    state.stock["food"] = 150
    state.people[0].loyalty = 300
    assert find_problems(state, settings) == []
    state.people[0].loyalty = 299
    assert [(one.type, one.person) for one in find_problems(state, settings)] == [(GRIEVANCE, state.people[0].name)]
    for person in state.members("makers"):
        person.loyalty, person.mood = 199, 199
    assert {one.type for one in find_problems(state, settings)} == {GRIEVANCE, CONFLICT, MORALE}


def test_bands() -> None:
    """Below 0.3 minor, 0.6 moderate, 0.9 serious, else critical."""
    asked = (0, 299, 300, 599, 600, 899, 900, 1000)
    words = ("minor", "minor", "moderate", "moderate", "serious", "serious", "critical", "critical")
    assert tuple(map(band_of, asked)) == words


def test_orders_cost_what_they_say_and_refusals_nothing() -> None:
    """Food leaves the store with the order; what is not there cannot be given, and the state stays as it was."""
    state = realm()
    before = msgspec.json.encode(state)
    refused = carry_out(state, Decision(action="allocate", resource="food", amount=9999, target="all"))
    assert not refused.is_done
    assert msgspec.json.encode(state) == before
    food = state.stock["food"]
    assert carry_out(state, Decision(action="allocate", resource="food", amount=30, target="makers")).is_done
    assert state.stock["food"] == food - 30


@pytest.mark.parametrize("action", ["allocate", "delegate", "negotiate", "inspire", "suppress"])
@pytest.mark.parametrize("target", ["", "nobody", "all", "makers"])
def test_no_decision_of_a_model_breaks_the_rules(action: str, target: str) -> None:
    """Fields that a model left out or made up end in an outcome with words, done or not."""
    state = realm()
    for resource in ("", "food", "dragons"):
        for task in ("", "hunt", "build", "dance"):
            decision = Decision(action=action, target=target, resource=resource, amount=7, task=task)  # type: ignore[arg-type]
            assert carry_out(state, decision).text


def test_nothing_goes_below_zero() -> None:
    """Fifty weeks on no food: people starve and leave, and no number is negative or above its bound."""
    state, run = realm(), lived()
    state.stock["food"] = 0
    for faction in state.factions:
        faction.task = "rest"
    for _ in range(50):
        if not state.people:
            break
        live(state, run)
        assert min(state.stock.values()) >= 0
        assert all(0 <= one.mood <= 1000 and 0 <= one.loyalty <= 1000 and one.heads > 0 for one in state.people)
    assert state.heads < state.first_heads // 2
