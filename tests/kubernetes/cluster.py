"""A Kubernetes cluster on this machine: the real control plane, and Dapr's. kwok simulates the nodes and their pods."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from labctl.make import cluster
from labctl.make.installed import OWN
from labctl.stack import ROOT, TEST_OFFSET, Stack
from labctl.up import processes
from labctl.up.processes import wait_until
from tests.docs.pages import Page
from tests.kubernetes import objects

STACK = Stack("kubernetes", TEST_OFFSET)
PAGE = Page(Path("docs/kubernetes.md"))
INSTALL = "tests/kubernetes/test_page.py::test_dapr_is_there_as_the_page_installs_it"
TRUST_DOMAIN = "cluster.local"
TOKEN = "admin"  # of a cluster that listens on loopback, while the tests run
_STAGES = ("node/fast/node-initialize", "pod/fast/pod-ready", "pod/fast/pod-complete", "pod/fast/pod-delete")
_PARTS = (
    *("etcd", "etcd-peer", "api", "controllers", "scheduler", "kwok"),
    *(f"{part}{what}" for part in ("sentry", "operator", "injector") for what in ("", "-health", "-metrics")),
    "operator-webhook",
)


class Cluster:
    """The cluster, and kubectl for it."""

    def __init__(self) -> None:
        self.folder = STACK.state
        self.ports = dict(zip(_PARTS, _free_ports(len(_PARTS)), strict=True))
        self.config = self.folder / "kubeconfig.yaml"

    def kubectl(self, *arguments: str, documents: Sequence[Any] = ()) -> subprocess.CompletedProcess[str]:
        """Run kubectl, with YAML documents for `-f -`."""
        command = [str(cluster.KUBERNETES.folder / "kubectl"), f"--kubeconfig={self.config}", *arguments]
        text = yaml.safe_dump_all(documents)
        return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False)

    def get(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects that `kubectl get` finds."""
        return json.loads(self._checked("get", "-o", "json", *arguments).stdout)["items"]

    def apply(self, *documents: dict[str, Any]) -> None:
        """Apply documents. Raise AssertionError if one is refused."""
        self._checked("apply", "--server-side", "--force-conflicts", "-f", "-", documents=documents)

    def _checked(self, *arguments: str, documents: Sequence[Any] = ()) -> subprocess.CompletedProcess[str]:
        done = self.kubectl(*arguments, documents=documents)
        assert done.returncode == 0, done.stderr
        return done

    def type(self, text: str, config: Path, **variables: str) -> str:
        """Run commands of the page with a kubeconfig, and return what they print. A warning by kubectl is an error."""
        path = f"{cluster.KUBERNETES.folder}:{cluster.DAPR.folder}:{os.environ['PATH']}"
        # None of the user's settings of Helm and kubectl, which may lead to another cluster.
        own = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))}
        own |= {f"HELM_{what}_HOME": str(self.folder / "helm") for what in ("CACHE", "CONFIG", "DATA")}
        own |= {"KUBECONFIG": str(config), "KUBECACHEDIR": str(self.folder / "cache")}
        own |= {"PATH": path, "chart": str(cluster.CHART)} | variables
        command = ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
        assert (done.returncode, "Warning" in done.stderr) == (0, False), f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        """Start Kubernetes with simulated nodes, then Dapr. Raise AssertionError if a part does not start."""
        processes.stop(STACK)
        shutil.rmtree(self.folder, ignore_errors=True)
        STACK.make_state()
        self._start_kubernetes()
        # The volumes are those of Dapr's scheduler.
        self.apply(*objects.nodes(), *(objects.volume(f"scheduler-{number}", "16Gi") for number in range(3)))
        (install,) = [block.text for block in PAGE.blocks if block.words == INSTALL]
        self.type(install, self.config)
        self._start_dapr()

    def _start_kubernetes(self) -> None:
        key, certificates, api = self.folder / "accounts.key", self.folder / "certificates", self.ports["api"]
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], capture_output=True, check=True)
        (self.folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        etcd = f"http://127.0.0.1:{self.ports['etcd']}"
        peer = f"http://127.0.0.1:{self.ports['etcd-peer']}"
        self._spawn(
            "server",
            *(f"--data-dir={self.folder / 'etcd'}", "--unsafe-no-fsync"),
            *(f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}", f"--listen-peer-urls={peer}"),
            *(f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"),
        )
        self._spawn(
            "kube-apiserver",
            *(f"--etcd-servers={etcd}", "--bind-address=127.0.0.1", f"--secure-port={api}"),
            *(f"--cert-dir={certificates}", f"--token-auth-file={self.folder / 'tokens.csv'}"),
            *("--authorization-mode=RBAC", "--service-cluster-ip-range=127.1.0.0/16"),
            *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}"),
            f"--service-account-signing-key-file={key}",
        )
        self._write_config(certificates / "apiserver.crt")
        up = wait_until(lambda: self.kubectl("get", "--raw=/readyz").returncode == 0, 120, 0.5)
        assert up, self._log("kube-apiserver")
        common = [f"--kubeconfig={self.config}", "--leader-elect=false", "--bind-address=127.0.0.1"]
        self._spawn(
            "kube-controller-manager",
            *(*common, f"--secure-port={self.ports['controllers']}", "--use-service-account-credentials"),
            f"--service-account-private-key-file={key}",
        )
        self._spawn("kube-scheduler", *common, f"--secure-port={self.ports['scheduler']}")
        stages = [f"--config={cluster.KWOK.folder / 'stage' / name}.yaml" for name in _STAGES]
        self._spawn(
            "kwok",
            *(*stages, f"--kubeconfig={self.config}", "--manage-all-nodes", "--node-lease-duration-seconds=40"),
            *("--cidr=10.1.0.1/16", f"--server-address=127.0.0.1:{self.ports['kwok']}"),
        )

    def _start_dapr(self) -> None:
        """Start sentry, operator and injector outside of the cluster: the pods of the chart are only simulated."""
        sentry = self.folder / "sentry"
        sentry.mkdir()
        mtls = {"enabled": True, "workloadCertTTL": "24h", "allowedClockSkew": "15m"}
        address = {"sentryAddress": f"127.0.0.1:{self.ports['sentry']}", "controlPlaneTrustDomain": TRUST_DOMAIN}
        config = objects.one("dapr.io/v1alpha1", "Configuration", "daprsystem", spec={"mtls": mtls | address})
        (self.folder / "sentry.yaml").write_text(yaml.safe_dump(config))
        self.apply(config)
        self._daprs("sentry", f"--issuer-credentials={sentry}", f"--config={self.folder / 'sentry.yaml'}")
        anchors = str(sentry / "ca.crt")
        outside = [objects.service(name) for name in ("dapr-webhook", "dapr-sidecar-injector")]
        self._checked("replace", "--force", "-f", "-", documents=outside)
        self.apply(objects.injection(self.ports["injector"]))
        webhook = [
            f"--webhook-server-port={self.ports['operator-webhook']}",
            "--webhook-server-listen-address=127.0.0.1",
        ]
        self._daprs("operator", f"--trust-anchors-file={anchors}", *webhook, "--disable-leader-election")
        self.lead_to_conversion()
        # What the injector gives to a sidecar is the chart's, with the settings of the page.
        (chart,) = self.get("deployments", "-n", objects.SYSTEM, "--field-selector=metadata.name=dapr-sidecar-injector")
        (container,) = chart["spec"]["template"]["spec"]["containers"]
        given = {one["name"]: one["value"] for one in container["env"] if one["name"].startswith("SIDECAR_")}
        self._daprs("injector", f"--kubeconfig={self.config}", DAPR_TRUST_ANCHORS_FILE=anchors, **given)

    def lead_to_conversion(self) -> None:
        """Lead the API server to the operator, which converts old Subscriptions. The CRD of the chart leads nowhere."""
        reference = {"namespace": objects.SYSTEM, "port": self.ports["operator-webhook"]}
        patch = json.dumps({"spec": {"conversion": {"webhook": {"clientConfig": {"service": reference}}}}})
        self._checked("patch", "crd", "subscriptions.dapr.io", "--type=merge", f"--patch={patch}")

    def _daprs(self, name: str, *flags: str, **environment: str) -> None:
        ports = self.ports
        listens = [
            *(f"--port={ports[name]}", "--listen-address=127.0.0.1"),
            *(f"--healthz-port={ports[f'{name}-health']}", "--healthz-listen-address=127.0.0.1"),
            *(f"--metrics-port={ports[f'{name}-metrics']}", "--metrics-listen-address=127.0.0.1"),
        ]
        trust = ["--trust-domain", TRUST_DOMAIN] if name == "sentry" else []
        environment |= {
            "NAMESPACE": objects.SYSTEM,
            "KUBECONFIG": str(self.config),
            # Outside of a container the tests may run as root.
            "DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK": "true",
            "DAPR_SENTRY_ADDRESS": f"127.0.0.1:{ports['sentry']}",
            "DAPR_CONTROL_PLANE_TRUST_DOMAIN": TRUST_DOMAIN,
            "KUBE_CLUSTER_DOMAIN": TRUST_DOMAIN,
        }
        self._spawn(name, *flags, *trust, *listens, environment=environment)
        up = wait_until(lambda: processes.http_status(ports[f"{name}-health"], "/healthz") == 200, 60)
        assert up, self._log(name)

    def _spawn(self, name: str, *flags: str, environment: dict[str, str] | None = None) -> None:
        folders = [*(programs.folder for programs in cluster.EVERY), OWN / ".dapr" / "bin"]
        program = next(folder / name for folder in folders if (folder / name).exists())
        log = STACK.logs / f"{name}.log"
        command = [str(program), *flags]
        processes.spawn(STACK, name, command, env=environment or {}, cwd=self.folder, log=log)

    def _log(self, name: str) -> str:
        return (STACK.logs / f"{name}.log").read_text()[-3000:]

    def _write_config(self, certificate: Path) -> None:
        server = {"server": f"https://127.0.0.1:{self.ports['api']}", "certificate-authority": str(certificate)}
        parts = {
            "clusters": [{"name": "labs", "cluster": server}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "labs", "context": {"cluster": "labs", "user": "admin"}}],
        }
        self.config.touch(0o600)
        self.config.write_text(
            yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "labs"} | parts)
        )


def _free_ports(count: int) -> list[int]:
    """Return ports on which nothing listens."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
