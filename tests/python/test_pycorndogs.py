"""The published client, unchanged, drives every call that it knows."""

import asyncio
import time
import uuid

import pytest
from corndogs.v1alpha1 import corndogs_pb2 as pb
from corndogs.v1alpha1.corndogs_grpc import CorndogsServiceStub
from google.protobuf.unknown_fields import UnknownFieldSet
from grpclib.client import Channel
from grpclib.const import Status
from grpclib.exceptions import GRPCError

SECOND = 1_000_000_000
UNKNOWN = "0192f5e0-1234-7abc-8def-0123456789ab"


def drive(server, script):
    """Runs a script of calls against the server."""

    async def run():
        async with Channel("127.0.0.1", server.port) as channel:
            return await script(CorndogsServiceStub(channel))

    return asyncio.run(run())


def target(request, task, **fields):
    return request(uuid=task.uuid, queue=task.queue, current_state=task.current_state, **fields)


def known(task):
    """The fields that this client knows, without the times of the moment."""
    names = ["uuid", "queue", "current_state", "auto_target_state", "timeout", "payload", "priority"]
    return {name: getattr(task, name) for name in names}


def numbers(message):
    """The numbers of the fields that this client does not know."""
    return {field.field_number for field in UnknownFieldSet(message)}


def test_a_worker(server):
    """A task's life, as a worker of today lives it."""

    async def script(stub):
        before = time.time_ns()
        submitted = (await stub.SubmitTask(pb.SubmitTaskRequest(payload=b"\x00work", priority=3, timeout=60))).task
        assert uuid.UUID(submitted.uuid).version == 7
        assert known(submitted) == {
            "uuid": submitted.uuid,
            "queue": "default",
            "current_state": "submitted",
            "auto_target_state": "submitted-working",
            "timeout": 60,
            "payload": b"\x00work",
            "priority": 3,
        }
        assert before <= submitted.submit_time == submitted.update_time <= time.time_ns()

        claimed = (await stub.GetNextTask(pb.GetNextTaskRequest())).task
        assert known(claimed) == {
            **known(submitted),
            "current_state": "submitted-working",
            "auto_target_state": "submitted",
        }
        assert claimed.submit_time == submitted.submit_time < claimed.update_time

        update = target(pb.UpdateTaskRequest, claimed, new_state="half", timeout=5)
        updated = (await stub.UpdateTask(update)).task
        assert known(updated) == {
            **known(submitted),
            "current_state": "half",
            "auto_target_state": "half-working",
            "timeout": 5,
            "priority": 0,
        }
        completed = (await stub.CompleteTask(target(pb.CompleteTaskRequest, updated))).task
        assert known(completed) == {
            **known(updated),
            "current_state": "completed",
            "auto_target_state": "completed",
            "payload": b"",
        }
        found = (await stub.GetTaskStateByID(pb.GetTaskStateByIDRequest(uuid=submitted.uuid))).task
        assert found == completed

    drive(server, script)


def test_cancel(server):
    async def script(stub):
        task = (await stub.SubmitTask(pb.SubmitTaskRequest(queue="q", payload=b"x"))).task
        canceled = (await stub.CancelTask(target(pb.CancelTaskRequest, task))).task
        assert (canceled.current_state, canceled.auto_target_state) == ("canceled", "canceled")
        assert (canceled.payload, canceled.uuid) == (b"", task.uuid)

    drive(server, script)


def test_nothing_answers_without_a_task(server):
    async def script(stub):
        assert not (await stub.GetNextTask(pb.GetNextTaskRequest(queue="empty"))).HasField("task")
        lookup = pb.GetTaskStateByIDRequest(uuid=UNKNOWN, queue="q")
        assert not (await stub.GetTaskStateByID(lookup)).HasField("task")
        task = (await stub.SubmitTask(pb.SubmitTaskRequest(queue="q"))).task
        acts = [
            (stub.UpdateTask, pb.UpdateTaskRequest),
            (stub.CompleteTask, pb.CompleteTaskRequest),
            (stub.CancelTask, pb.CancelTaskRequest),
        ]
        wrong = [("other", task.current_state, task.uuid), ("q", "other", task.uuid), ("q", task.current_state, UNKNOWN)]
        for call, request in acts:
            for queue, state, task_uuid in wrong:
                answer = await call(request(uuid=task_uuid, queue=queue, current_state=state))
                assert not answer.HasField("task"), (request, queue, state)
        found = (await stub.GetTaskStateByID(pb.GetTaskStateByIDRequest(uuid=task.uuid))).task
        assert found == task

    drive(server, script)


def test_order_and_overrides(server):
    async def script(stub):
        for name, priority in [(b"c", 0), (b"a", 9), (b"d", -2), (b"b", 9)]:
            await stub.SubmitTask(pb.SubmitTaskRequest(queue="q", payload=name, priority=priority, timeout=7))
        override = pb.GetNextTaskRequest(
            queue="q",
            override_timeout=-1,
            override_current_state="mine",
            override_auto_target_state="dead",
        )
        tasks = [(await stub.GetNextTask(override)).task for _ in range(4)]
        assert [task.payload for task in tasks] == [b"a", b"b", b"c", b"d"]
        for task in tasks:
            assert (task.current_state, task.auto_target_state, task.timeout) == ("mine", "dead", 0)

    drive(server, script)


def test_timeouts(start):
    async def script(stub):
        submit = pb.SubmitTaskRequest(queue="q", timeout=30, auto_target_state="dead")
        task = (await stub.SubmitTask(submit)).task
        due = task.update_time + 30 * SECOND
        assert (await stub.CleanUpTimedOut(pb.CleanUpTimedOutRequest(at_time=due))).timed_out == 0
        elsewhere = pb.CleanUpTimedOutRequest(at_time=due + 1, queue="other")
        assert (await stub.CleanUpTimedOut(elsewhere)).timed_out == 0
        assert (await stub.CleanUpTimedOut(pb.CleanUpTimedOutRequest(at_time=due + 1))).timed_out == 1
        after = (await stub.GetTaskStateByID(pb.GetTaskStateByIDRequest(uuid=task.uuid))).task
        assert (after.current_state, after.auto_target_state, after.timeout) == ("dead", "submitted", 0)

    drive(start("--timeout-sweep", "off"), script)


def test_counts(server):
    async def script(stub):
        for queue in ["a", "b", "b"]:
            await stub.SubmitTask(pb.SubmitTaskRequest(queue=queue))
        await stub.GetNextTask(pb.GetNextTaskRequest(queue="b"))
        queues = await stub.GetQueues(pb.GetQueuesRequest())
        assert (sorted(queues.queues), queues.total_task_count) == (["a", "b"], 3)
        counts = await stub.GetQueueTaskCounts(pb.GetQueueTaskCountsRequest())
        assert (dict(counts.queue_counts), counts.total_task_count) == ({"a": 1, "b": 2}, 3)
        states = await stub.GetTaskStateCounts(pb.GetTaskStateCountsRequest(queue="b"))
        of_b = {"submitted": 1, "submitted-working": 1}
        assert (states.queue, states.count, dict(states.state_counts)) == ("b", 2, of_b)
        everything = await stub.GetQueueAndStateCounts(pb.GetQueueAndStateCountsRequest())
        rows = {
            name: (row.queue, row.count, dict(row.state_counts))
            for name, row in everything.queue_and_state_counts.items()
        }
        assert rows == {"a": ("a", 1, {"submitted": 1}), "b": ("b", 2, of_b)}

    drive(server, script)


def test_refusals(server):
    async def script(stub):
        bad = [
            (stub.GetTaskStateByID, pb.GetTaskStateByIDRequest(uuid="no uuid"), "uuid"),
            (stub.SubmitTask, pb.SubmitTaskRequest(queue="x" * 256), "queue"),
            (stub.SubmitTask, pb.SubmitTaskRequest(payload=b"x" * (1 << 20) + b"x"), "payload"),
        ]
        for call, request, field in bad:
            with pytest.raises(GRPCError) as refused:
                await call(request)
            assert refused.value.status is Status.INVALID_ARGUMENT
            assert field in refused.value.message

    drive(server, script)


def test_new_fields_are_ignored(server):
    """A claim counts attempts, in a field that this client has never heard of."""

    async def script(stub):
        task = (await stub.SubmitTask(pb.SubmitTaskRequest(queue="q", timeout=60))).task
        claimed = (await stub.GetNextTask(pb.GetNextTaskRequest(queue="q"))).task
        attempt, expires_at = 10, 12
        assert numbers(claimed) == {attempt, expires_at}
        assert max(field.number for field in pb.Task.DESCRIPTOR.fields) == 9
        # Whatever it sends back leaves the fencing token out, and is not fenced.
        completed = (await stub.CompleteTask(target(pb.CompleteTaskRequest, claimed))).task
        assert (completed.uuid, completed.current_state) == (task.uuid, "completed")

    drive(server, script)


def test_every_call_was_driven():
    """If the client gains a call, this file has to drive it."""
    driven = "SubmitTask GetTaskStateByID GetNextTask UpdateTask CompleteTask CancelTask CleanUpTimedOut"
    counted = "GetQueues GetQueueTaskCounts GetTaskStateCounts GetQueueAndStateCounts"
    service = pb.DESCRIPTOR.services_by_name["CorndogsService"]
    assert {method.name for method in service.methods} == set(f"{driven} {counted}".split())
