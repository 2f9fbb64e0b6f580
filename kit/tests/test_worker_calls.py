import threading

import grpc
import pytest

from kit.engine.worker_calls import WorkerCalls


class Sidecar:
    """Answer a call once `may_answer` is set."""

    def __init__(self):
        self.called, self.may_answer = threading.Event(), threading.Event()

    def __call__(self, details, request):
        self.called.set()
        assert self.may_answer.wait(5)
        return f"answer to {request}"


def test_a_call_in_flight_is_awaited_within_a_limit():
    calls, sidecar = WorkerCalls(), Sidecar()
    answers, ended = [], []
    call = threading.Thread(target=lambda: answers.append(calls.intercept_unary_unary(sidecar, None, "1")))
    end = threading.Thread(target=lambda: ended.append(calls.end(5)))
    call.start()
    assert sidecar.called.wait(5)
    assert not calls.end(0.01)
    end.start()
    end.join(0.05)
    assert end.is_alive()
    sidecar.may_answer.set()
    call.join(5)
    end.join(5)
    assert (answers, ended) == (["answer to 1"], [True])


def test_a_failed_call_and_an_open_stream_are_not_in_flight():
    def fails(details, request):
        raise grpc.RpcError

    calls = WorkerCalls()
    with pytest.raises(grpc.RpcError):
        calls.intercept_unary_unary(fails, None, "1")
    assert list(calls.intercept_unary_stream(lambda details, request: iter([request]), None, "work")) == ["work"]
    assert calls.end(0)


def test_calls_are_refused_after_the_end():
    calls = WorkerCalls()
    assert calls.end(0)
    for call in (calls.intercept_unary_unary, calls.intercept_unary_stream):
        with pytest.raises(ValueError, match="stopping"):
            call(lambda details, request: "answer", None, "1")
