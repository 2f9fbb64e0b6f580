"""A chat on a machine without a network: no key, no model, no address but the loopback's."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from lab_shell import LAB

from labctl.stack import ROOT

NO_NETWORK = 77
# A new network namespace, with nothing but a loopback that is up; its ports are all free.
ALONE = f"""
import ctypes, fcntl, json, os, socket, struct, subprocess, sys, urllib.request

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
if ctypes.CDLL(None).unshare(NEW_NETWORK | (NEW_USER if os.geteuid() else 0)):
    sys.exit({NO_NETWORK})
SET_FLAGS, UP = 0x8914, 1
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sh", b"lo", UP))

def lab(*arguments):
    return subprocess.run([{LAB!r}, *arguments], stdout=sys.stderr, check=True)

lab("up", "chat", "--detach")
try:
    message = {{"user_id": "Junaid", "text": "What is my name?"}}
    request = urllib.request.Request(
        "http://127.0.0.1:8010/chat/", json.dumps(message).encode(), {{"content-type": "application/json"}}
    )
    print(urllib.request.urlopen(request, timeout=60).read().decode())
finally:
    lab("down")
"""


@pytest.mark.lab("chat")
@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_a_chat_without_a_network(no_other_stack, monkeypatch):
    monkeypatch.setenv("LAB_STACK_NAME", "offline")
    monkeypatch.setenv("LAB_PORT_OFFSET", "0")
    alone = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    if alone.returncode == NO_NETWORK:
        pytest.skip("this system does not let us make a network namespace")
    assert alone.returncode == 0, alone.stderr
    answer = json.loads(alone.stdout)
    assert (answer["status"], answer["reply"]) == ("completed", "Hi Junaid! Your name is Junaid.")
