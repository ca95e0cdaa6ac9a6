"""Alerts: each once for its period and threshold, told to every channel, whatever fails in between."""

from __future__ import annotations

import asyncio

import pytest

from backstay.errors import ConnectFailed
from backstay.layers.alert import Alerts, Channel, alert_key, callback_channel, log_channel, sentence, webhook_channel
from backstay.sim import sim_world
from backstay.stores.limit import Alert, Entry, Rule, claim_of
from backstay.stores.memory_limit import MemoryLimits
from backstay.transport.fake import FakeTransport
from backstay.transport.script import Answer

BUDGET = Rule(
    scope="client",
    name="usd_per_day",
    dimension="nano_usd",
    capacity=100 * 10**9,
    algorithm="calendar",
    span="day",
    alert_at=(80, 100),
)


def limits() -> MemoryLimits:
    return MemoryLimits(sim_world().clock)


async def spend(store: MemoryLimits, usd: int, alerts: Alerts, name: str = "a") -> None:
    await store.reserve(claim_of(name, [Entry(BUDGET, usd * 10**9)]))
    alerts.note(store.settle(name, {"nano_usd": usd * 10**9}))


async def test_a_threshold_is_told_once() -> None:
    """The settlement that crosses it tells every channel; later ones do not."""
    heard: list[str] = []

    async def later(alert: Alert) -> None:
        await asyncio.sleep(1)
        heard.append(sentence(alert))

    store = limits()
    alerts = Alerts(store, [callback_channel(heard.append), callback_channel(later)], world=sim_world())
    for number in range(9):
        await spend(store, 10, alerts, str(number))
    await alerts.aclose()
    assert len(heard) == 2
    assert heard[1] == "budget client/usd_per_day: 80 % reached, 80.00 USD of 100.00 USD are spent"


async def test_a_failing_channel_is_tried_again_and_the_others_are_not_told_twice() -> None:
    """At least once to each, and no more often than needed."""
    heard: list[Alert] = []
    tries: list[float] = []

    async def unwell(alert: Alert) -> None:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) < 4:
            raise ConnectFailed("refused")

    store = limits()
    alerts = Alerts(store, [callback_channel(heard.append), unwell], world=sim_world())
    await spend(store, 85, alerts)
    await asyncio.sleep(60)
    assert tries == pytest.approx([0, 1, 3, 7], abs=0.01)
    assert len(heard) == 1
    assert list(await store.due_alerts(1.0)) == []
    await alerts.aclose()


async def test_what_a_dead_process_left_is_told_by_the_next() -> None:
    """Closing gives up on a failing channel, and the alert is due again."""
    heard: list[Alert] = []

    async def broken(alert: Alert) -> None:
        raise ConnectFailed("refused")

    store = limits()
    first = Alerts(store, [broken], world=sim_world())
    await spend(store, 85, first)
    await asyncio.sleep(5)
    await first.aclose()
    assert heard == []
    await asyncio.sleep(121)
    second = Alerts(store, [callback_channel(heard.append)], world=sim_world())
    second.look()
    await second.aclose()
    assert [alert.percent for alert in heard] == [80]


async def test_a_broken_store_is_not_hidden(caplog: pytest.LogCaptureFixture) -> None:
    """An alert that cannot be read is an error in the log, not silence."""

    class Lost(MemoryLimits):
        async def due_alerts(self, seconds: float) -> list[Alert]:
            raise ConnectFailed("the store is away")

    alerts = Alerts(Lost(sim_world().clock), [log_channel], world=sim_world())
    alerts.look()
    await alerts.aclose()
    assert "could not be read" in caplog.text


async def test_a_webhook_gets_json_with_its_key_until_it_takes_it() -> None:
    """A 500 is tried again; the key lets the receiver know that it is the same."""
    transport = FakeTransport(Answer(status=500), Answer(status=200, body=b"ok"))
    channel: Channel = webhook_channel("http://127.0.0.1:1/hook", lambda: transport)
    store = limits()
    alerts = Alerts(store, [channel], world=sim_world())
    await spend(store, 85, alerts)
    await asyncio.sleep(30)
    await alerts.aclose()
    first, second = transport.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert b'"percent":80' in second.body
    assert b"85.00 USD of 100.00 USD" in second.body


async def test_the_log_says_it(caplog: pytest.LogCaptureFixture) -> None:
    """One warning a threshold; a stop says that a call was refused."""
    store = limits()
    alerts = Alerts(store, [log_channel], world=sim_world())
    await spend(store, 85, alerts)
    await store.reserve(claim_of("b", [Entry(BUDGET, 50 * 10**9)]))
    alerts.look()
    await alerts.aclose()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "a call was refused, 85.00 USD of 100.00 USD are spent" in caplog.text


def test_keys_tell_periods_apart() -> None:
    """The same threshold on another day is another alert."""
    facts = {"rule": "r", "dimension": "nano_usd", "end": 9, "percent": 80, "spent": 1, "capacity": 2}
    assert alert_key(Alert(start=1, **facts)) != alert_key(Alert(start=2, **facts))  # type: ignore[arg-type]
