"""Other apps: 4xx is an answer, everything worse is Unavailable, which names the app or the sidecar."""

import threading

import pytest

from kit.edge.service import session_for
from kit.fakes.waiting import free_port
from kit.sidecar.invoke import Invoker
from kit.sidecar.unavailable import Unavailable
from kit.tests.sidecar_lab import settings_of


async def ask(sidecar, path="greet/Ada%20L", port=None, body=True, **options):
    settings = settings_of(sidecar)
    async with session_for(settings) as session:
        invoker = Invoker(session, port or settings.dapr_http_port)
        return await (invoker.post("callee", path, {"n": 1}, **options) if body else invoker.get("callee", path))


async def failure(sidecar, **options):
    with pytest.raises(Unavailable) as raised:
        await ask(sidecar, **options)
    return raised.value


@pytest.mark.parametrize("status", [200, 201, 404, 409, 422])
async def test_an_answer_is_handed_on(sidecar, status):
    sidecar.apps["callee"] = lambda _: (status, {"detail": "words"})
    answer = await ask(sidecar)
    assert (answer.status, answer.json, answer.reason) == (status, {"detail": "words"}, "words")
    (call,) = sidecar.invoked
    assert (call.verb, call.path, call.body) == ("POST", "/greet/Ada%20L", {"n": 1})


async def test_a_get_has_no_body(sidecar):
    sidecar.apps["callee"] = lambda _: (200, [1])
    assert (await ask(sidecar, "list?limit=2", body=False)).json == {}
    assert sidecar.invoked[0][1:4] == ("GET", "/list?limit=2", None)


@pytest.mark.parametrize(("status", "told"), [(500, 502), (502, 502), (503, 503), (429, 503), (408, 503), (504, 504)])
async def test_an_app_that_fails_is_named(sidecar, status, told):
    sidecar.apps["callee"] = lambda _: (status, {"detail": "no", "errorCode": "X"})
    error = await failure(sidecar)
    assert (error.status, error.dependency, error.error_code) == (told, "callee", "X")


@pytest.mark.parametrize("status", [500, 403])
async def test_an_error_of_dapr_itself_means_that_the_app_cannot_be_reached(sidecar, status):
    sidecar.apps["callee"] = lambda _: (status, {"errorCode": "ERR_DIRECT_INVOKE", "message": "dial 10.0.0.7"})
    error = await failure(sidecar)
    assert (error.status, error.dependency, error.error_code) == (503, "callee", "ERR_DIRECT_INVOKE")
    assert "10.0.0.7" not in error.detail


async def test_an_empty_200_is_no_answer(sidecar):
    sidecar.apps["callee"] = lambda _: (200, None)
    assert (await failure(sidecar)).status == 502


async def test_a_sidecar_that_is_away_is_named(sidecar):
    error = await failure(sidecar, port=free_port())
    assert (error.status, error.dependency) == (503, "Dapr sidecar")


async def test_an_app_that_is_too_slow_is_given_up(sidecar):
    done = threading.Event()
    sidecar.apps["callee"] = lambda _: (done.wait(5), (200, {}))[1]
    error = await failure(sidecar, seconds=0.2)
    done.set()
    assert (error.status, error.dependency) == (504, "callee")
