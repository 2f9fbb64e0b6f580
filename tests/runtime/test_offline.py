"""A chat on a strange machine: its one address is a VPN's and goes away, and another project has left variables."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from lab_shell import LAB

from labctl.stack import ROOT

NO_NETWORK = 77
VPN = "10.66.0.7/32"
# What another project left in the shell: nobody answers there, and a call would fail.
NOBODY = "http://192.0.2.1:9"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
LEFT_OVER = dict.fromkeys((*PROXIES, "DAPR_HTTP_ENDPOINT", "DAPR_GRPC_ENDPOINT"), NOBODY) | {
    "APP_ID": "other-app",
    "DAPR_API_TOKEN": "other-token",
    "LOG_LEVEL": "debug",
    "NAMESPACE": "other",
    "PYTHONIOENCODING": "latin-1",
    "PYTHONSAFEPATH": "1",
    "no_proxy": "",
}
# A new network namespace, with a loopback that is up and a second address on it; its ports are all free.
ALONE = f"""
import ctypes, fcntl, json, os, socket, struct, subprocess, sys, urllib.request

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
if ctypes.CDLL(None).unshare(NEW_NETWORK | (NEW_USER if os.geteuid() else 0)):
    sys.exit({NO_NETWORK})
SET_FLAGS, UP = 0x8914, 1
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sh", b"lo", UP))

def lab(*arguments):
    return subprocess.run([{LAB!r}, *arguments], env=os.environ | {LEFT_OVER!r}, stdout=sys.stderr, check=True)

address = ["ip", "address", "add", {VPN!r}, "dev", "lo"]
if subprocess.run(address, check=False).returncode:
    sys.exit({NO_NETWORK})
lab("up", "chat", "--detach")
try:
    subprocess.run([*address[:2], "delete", *address[3:]], check=True)
    message = {{"user_id": "Junaid", "text": "What is my name?"}}
    request = urllib.request.Request(
        "http://127.0.0.1:8010/chat/", json.dumps(message).encode(), {{"content-type": "application/json"}}
    )
    print(urllib.request.urlopen(request, timeout=60).read().decode())
finally:
    lab("down")
"""


@pytest.mark.lab("chat")
@pytest.mark.skipif(
    not shutil.which("ip") or sys.platform != "linux", reason="needs Linux's ip and its network namespaces"
)
def test_a_chat_on_a_vpn_that_goes_away(no_other_stack, monkeypatch):
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
