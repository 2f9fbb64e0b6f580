import threading

import grpc
import pytest

from worker_calls import WorkerCalls


class Sidecar:
    """Answers a call when it is told to."""

    def __init__(self):
        self.called, self.may_answer = threading.Event(), threading.Event()

    def __call__(self, details, request):
        self.called.set()
        assert self.may_answer.wait(5)
        return f"answer to {request}"


def test_a_call_under_way_is_waited_for():
    calls, sidecar = WorkerCalls(), Sidecar()
    answers, ended = [], []
    call = threading.Thread(target=lambda: answers.append(calls.intercept_unary_unary(sidecar, None, "1")))
    end = threading.Thread(target=lambda: ended.append(calls.end(5)))
    call.start()
    assert sidecar.called.wait(5)
    end.start()
    end.join(0.05)
    assert end.is_alive()
    sidecar.may_answer.set()
    call.join(5)
    end.join(5)
    assert (answers, ended) == (["answer to 1"], [True])


def test_it_is_not_waited_for_longer_than_that():
    calls, sidecar = WorkerCalls(), Sidecar()
    call = threading.Thread(target=calls.intercept_unary_unary, args=(sidecar, None, "1"))
    call.start()
    assert sidecar.called.wait(5)
    assert not calls.end(0.01)
    sidecar.may_answer.set()
    call.join(5)


def test_a_call_that_failed_is_not_under_way():
    def fails(details, request):
        raise grpc.RpcError

    calls = WorkerCalls()
    with pytest.raises(grpc.RpcError):
        calls.intercept_unary_unary(fails, None, "1")
    assert calls.end(0)


def test_after_the_end_there_is_none():
    calls = WorkerCalls()
    assert calls.end(0)
    for call in (calls.intercept_unary_unary, calls.intercept_unary_stream):
        with pytest.raises(ValueError, match="stopping"):
            call(lambda details, request: "answer", None, "1")


def test_a_stream_is_under_way_only_until_it_is_open():
    calls = WorkerCalls()
    assert list(calls.intercept_unary_stream(lambda details, request: iter([request]), None, "work")) == ["work"]
    assert calls.end(0)
