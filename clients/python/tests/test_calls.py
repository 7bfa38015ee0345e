"""Every call, with all its options, against a real server."""

import dataclasses
import time
from datetime import datetime, timedelta, timezone
from itertools import combinations

import grpc
import pydantic
import pytest
import trustme
from driving import SECOND, UNKNOWN, address, drive
from servers import free_ports

from corndogs_client import (
    JSON,
    NO_TIMEOUT,
    RAW,
    AlreadyExists,
    Claim,
    Client,
    Dataclass,
    FailedPrecondition,
    InvalidArgument,
    LeaseLost,
    Pydantic,
    RetryBackoff,
    Submit,
    Unavailable,
)


@dataclasses.dataclass
class Recipient:
    name: str
    copies: int = 1


@dataclasses.dataclass
class Mail:
    subject: str
    to: Recipient


class Order(pydantic.BaseModel):
    number: int
    due: datetime


def test_a_submit_says_all_it_was_given(server):
    async def script(client):
        before = datetime.now(timezone.utc) - SECOND
        later = datetime(2100, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
        wanted = Submit(
            "q",
            {"a": [1, "ü"]},
            current_state="new",
            auto_target_state="busy",
            timeout=timedelta(seconds=1.5),
            priority=-3,
            uuid=UNKNOWN,
            not_before=later,
            unique_key="k",
            metadata={"trace": "1"},
            claim_timeout=timedelta(minutes=1),
            max_attempts=5,
            retry_backoff=RetryBackoff(timedelta(seconds=1.5), 60 * SECOND, factor_percent=150, jitter_percent=10),
        )
        task = await client.submit(wanted)
        assert (task.uuid, task.queue) == (str(UNKNOWN), "q")
        assert (task.current_state, task.auto_target_state) == ("new", "busy")
        assert task.decode() == {"a": [1, "ü"]}
        assert (task.priority, task.unique_key, task.metadata) == (-3, "k", {"trace": "1"})
        assert (task.timeout, task.claim_timeout, task.max_attempts) == (2 * SECOND, 60 * SECOND, 5)
        assert task.retry_backoff == RetryBackoff(2 * SECOND, 60 * SECOND, factor_percent=150, jitter_percent=10)
        assert (task.not_before, task.expires_at) == (later, later + 2 * SECOND)
        assert before < task.submit_time == task.update_time < datetime.now(timezone.utc) + SECOND
        assert (task.attempt, task.worker) == (0, "")
        assert await client.get(UNKNOWN) == task
        assert await client.submit(wanted) == task
        with pytest.raises(AlreadyExists):
            await client.submit(dataclasses.replace(wanted, priority=1))
        assert await client.claim(Claim("q", current_state="new")) is None

    drive(address(server), script)


def test_what_is_left_out_takes_the_defaults(server):
    async def script(client):
        task = await client.submit(Submit())
        assert (task.queue, task.current_state, task.auto_target_state) == ("default", "submitted", "submitted-working")
        assert (task.payload, task.decode()) == (b"", None)
        assert (task.timeout, task.expires_at, task.not_before, task.claim_timeout) == (None, None, None, None)
        assert (task.retry_backoff, task.last_error) == (None, "")
        assert await client.get(UNKNOWN) is None

    drive(address(server), script)


def test_payloads_by_codec(server):
    async def script(client):
        mail = Mail("hello", Recipient("me", 2))
        order = Order(number=7, due=datetime(2030, 1, 1, tzinfo=timezone.utc))
        for codec, payload, stored in [
            (None, {"x": None}, b'{"x":null}'),
            (JSON, "text", b'"text"'),
            (RAW, b"\x00\xff", b"\x00\xff"),
            (Dataclass(Mail), mail, b'{"subject":"hello","to":{"name":"me","copies":2}}'),
            (Pydantic(Order), order, b'{"number":7,"due":"2030-01-01T00:00:00Z"}'),
        ]:
            task = await client.submit(Submit("q", payload, codec=codec))
            assert task.payload == stored
            assert task.decode(codec or JSON) == payload

    drive(address(server), script)


def test_payloads_that_do_not_fit():
    with pytest.raises(TypeError, match="Mail"):
        Dataclass(Mail).encode({"subject": "no mail"})
    with pytest.raises(TypeError, match="Recipient"):
        Dataclass(Mail).decode(b'{"subject":"x","to":"me"}')
    with pytest.raises(TypeError):
        Dataclass(Mail).decode(b'{"unknown":1}')
    with pytest.raises(pydantic.ValidationError):
        Pydantic(Order).decode(b'{"number":"seven"}')
    with pytest.raises(TypeError):
        Dataclass(int)


def test_a_clients_codec_is_for_payloads_that_name_none(server):
    async def script(client):
        assert (await client.submit(Submit("q", b"raw"))).payload == b"raw"
        assert (await client.submit(Submit("q", 1, codec=JSON))).payload == b"1"

    drive(address(server), script, codec=RAW)


def test_a_claim_its_extensions_and_its_end(server):
    async def script(client):
        for number in range(2):
            await client.submit(Submit("a", number, priority=number))
        await client.submit(Submit("b", 9, priority=9))
        claim = Claim("a", queues=["b"], lease=60 * SECOND, worker="me")
        tasks = await client.claim_many(claim, 2)
        assert [(task.queue, task.decode()) for task in tasks] == [("b", 9), ("a", 1)]
        assert {(task.worker, task.attempt, task.timeout) for task in tasks} == {("me", 1, 60 * SECOND)}
        task = await client.claim(
            Claim("a", lease=NO_TIMEOUT, override_current_state="mine", override_auto_target_state="back")
        )
        assert (task.current_state, task.auto_target_state, task.expires_at) == ("mine", "back", None)

        extended = await client.extend(task, 5 * SECOND)
        assert (extended.expires_at, extended.timeout) == (extended.update_time + 5 * SECOND, 5 * SECOND)
        updated = await client.update(extended, "half", payload={"half": True})
        assert (updated.current_state, updated.auto_target_state) == ("half", "half-working")
        assert (updated.timeout, updated.priority, updated.decode()) == (5 * SECOND, 0, {"half": True})
        moved = await client.update(
            updated, "half", auto_target_state="there", priority=4, timeout=NO_TIMEOUT, payload=b"r", codec=RAW
        )
        assert (moved.auto_target_state, moved.priority, moved.timeout, moved.payload) == ("there", 4, None, b"r")

        done = await client.complete(moved, next_task=Submit("c", "next"))
        assert (done.task.current_state, done.task.payload) == ("completed", b"")
        assert (done.next_task.queue, done.next_task.decode()) == ("c", "next")
        assert await client.complete(moved) is None
        assert await client.update(moved, "x") is None
        assert await client.extend(moved) is None
        assert await client.cancel(moved) is None
        results = await client.complete_many([*tasks, moved])
        assert [result and result.task.uuid for result in results] == [tasks[0].uuid, tasks[1].uuid, None]
        canceled = await client.cancel(done.next_task)
        assert canceled.current_state == "canceled"

    drive(address(server), script)


def test_a_failure_says_why_and_when_to_try_again(server):
    async def script(client):
        doubling = RetryBackoff(60 * SECOND)
        for backoff, retry_after, delay in [
            (None, None, None),
            (doubling, None, 60 * SECOND),
            (doubling, timedelta(seconds=4.5), 5 * SECOND),
            (None, timedelta(0), SECOND),
        ]:
            task = await client.submit(Submit("q", "p", retry_backoff=backoff))
            back = await client.fail(await client.claim(Claim("q")), "it rains", retry_after=retry_after)
            assert (back.uuid, back.current_state, back.attempt) == (task.uuid, "submitted", 1)
            assert (back.last_error, back.timeout, back.payload) == ("it rains", None, b'"p"')
            assert back.not_before == (delay and back.update_time + delay)
            await client.cancel(back)
            assert await client.fail(back) is None
        await client.submit(Submit("q"))
        held = await client.claim(Claim("q"))
        for refused in [{"retry_after": -SECOND}, {"retry_after": SECOND, "dead": True}]:
            with pytest.raises(ValueError, match="retry_after"):
                await client.fail(held, **refused)
        with pytest.raises(InvalidArgument, match="retry_after"):
            await client.fail(held, retry_after=timedelta(days=366))
        # What is too long is cut off at a character; what is no text is no reason to fail.
        dead = await client.fail(held, "\ud800" + "ü" * 600, dead=True)
        assert (dead.current_state, dead.last_error) == ("dead", "?" + "ü" * 511)

    drive(address(server), script)


def test_a_claim_waits(server):
    async def script(client):
        before = time.monotonic()
        assert await client.claim(Claim("q", wait=0.3 * SECOND)) is None
        assert time.monotonic() - before >= 0.3
        assert await client.claim_many(Claim("q"), 5) == []

    drive(address(server), script)


def test_a_lost_lease(server):
    async def script(client):
        await client.submit(Submit("q"))
        lost = await client.claim(Claim("q", lease=5 * SECOND))
        assert await client.clean_up_timed_out("other", at=lost.expires_at + SECOND) == 0
        assert await client.clean_up_timed_out(at=lost.expires_at + SECOND) == 1
        assert await client.complete(lost) is None
        held = await client.claim(Claim("q"))
        for act in [client.complete, client.extend, client.cancel, client.fail, lambda task: client.update(task, "x")]:
            with pytest.raises(LeaseLost, match="attempt"):
                await act(lost)
        assert [result is None for result in await client.complete_many([lost, held])] == [True, False]

    drive(address(server), script)


def test_submit_many_is_all_or_none(server):
    async def script(client):
        tasks = await client.submit_many(Submit("q", number) for number in range(3))
        assert [task.decode() for task in tasks] == [0, 1, 2]
        with pytest.raises(InvalidArgument, match="1000"):
            await client.submit_many([])
        with pytest.raises(InvalidArgument, match="queue"):
            await client.submit_many([Submit("fine"), Submit("x" * 256)])
        assert list(await client.counts()) == ["q"]

    drive(address(server), script)


def test_counts(server):
    async def script(client):
        await client.submit_many([Submit("a"), Submit("b"), Submit("b")])
        await client.claim(Claim("b"))
        counts = await client.counts()
        assert {name: (row.queue, row.count, row.states) for name, row in counts.items()} == {
            "a": ("a", 1, {"submitted": 1}),
            "b": ("b", 2, {"submitted": 1, "submitted-working": 1}),
        }
        assert await client.queue_counts("b") == counts["b"]
        assert (await client.queue_counts("none")).count == 0

    drive(address(server), script)


def test_a_key_makes_a_call_once(server):
    async def script(client):
        first, again = [await client.submit(Submit("q"), idempotency_key="mine") for _ in range(2)]
        assert first == again
        other = await client.submit(Submit("q"))
        assert other.uuid != first.uuid
        claims = [await client.claim(Claim("q"), idempotency_key="claim") for _ in range(2)]
        assert claims[0] == claims[1]
        with pytest.raises(InvalidArgument, match="idempotency-key"):
            await client.submit(Submit("another"), idempotency_key="mine")

    drive(address(server), script)


def test_nodes_that_do_not_answer_are_left_out(server):
    dead = [f"127.0.0.1:{port}" for port in free_ports(3)]

    async def script(client):
        for number in range(5):
            assert (await client.submit(Submit("q", number))).decode() == number

    drive([*dead, address(server)], script)


def test_tls(start, tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "tls.key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    server = start("--tls-cert", str(tmp_path / "tls.crt"), "--tls-key", str(tmp_path / "tls.key"))

    async def script(client):
        assert (await client.submit(Submit("q", 1))).decode() == 1

    async def refused(client):
        with pytest.raises(Unavailable):
            await client.submit(Submit("q", 1))

    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    drive(address(server), script, credentials=credentials)
    strange = grpc.ssl_channel_credentials(trustme.CA().cert_pem.bytes())
    drive(address(server), refused, credentials=strange, retry_for=0.3 * SECOND)


def test_without_any_node_it_gives_up():
    async def script(client):
        with pytest.raises(Unavailable, match="SubmitTask") as failed:
            await client.submit(Submit("q"))
        assert "tries" in str(failed.value)

    drive([f"127.0.0.1:{port}" for port in free_ports(2)], script, retry_for=0.3 * SECOND)


def test_arguments_that_make_no_sense():
    with pytest.raises(ValueError, match="addresses"):
        Client([])
    with pytest.raises(ValueError, match="retry_for"):
        Client(retry_for=timedelta(0))
    with pytest.raises(ValueError, match="try_timeout"):
        Client(try_timeout=-SECOND)


def test_a_time_needs_a_zone(server):
    async def script(client):
        with pytest.raises(ValueError, match="time zone"):
            await client.submit(Submit("q", not_before=datetime(2030, 1, 1)))

    drive(address(server), script)


def test_errors_tell_apart_what_can_be_told_apart():
    for one, other in combinations([AlreadyExists, FailedPrecondition, InvalidArgument, Unavailable], 2):
        assert not issubclass(one, other)
        assert not issubclass(other, one)
    assert issubclass(LeaseLost, FailedPrecondition)
