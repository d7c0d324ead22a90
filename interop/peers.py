"""What the checks stand on: the count of what held, our node as the real program, and a foreign peer."""

import contextlib
import hashlib
import json
import logging
import os
import pathlib
import signal
import subprocess

logging.disable(logging.CRITICAL)

import trio
from libp2p import (
    create_mplex_muxer_option,
    create_yamux_muxer_option,
    generate_new_ed25519_identity,
    new_host,
)
from libp2p.bitswap import BitswapClient, MemoryBlockStore
from libp2p.bitswap.dag import MerkleDag
from libp2p.crypto.x25519 import create_new_key_pair as new_static_key
from libp2p.custom_types import TProtocol
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.identify import parse_identify_response
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.utils.varint import read_length_prefixed_protobuf
from multiaddr import Multiaddr

PING = TProtocol("/ipfs/ping/1.0.0")
LOOPBACK = "/ip4/127.0.0.1/tcp/0"
STEP_LIMIT = 60  # seconds


class Report:
    """Counts what held and what did not."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.summary = os.environ.get("SUMMARY")

    @contextlib.asynccontextmanager
    async def check(self, name):
        try:
            with trio.fail_after(STEP_LIMIT):
                yield
        except BaseException as error:
            if not isinstance(error, (Exception, BaseExceptionGroup)):
                raise
            self.failed += 1
            print(f"FAIL  {name}: {' / '.join(reasons(error))}"[:600], flush=True)
        else:
            self.passed += 1
            print(f"ok    {name}", flush=True)

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        if self.summary:
            pathlib.Path(self.summary).write_text(f"{self.passed} {self.failed}\n")
        return 0 if self.failed == 0 and self.passed > 0 else 1


def reasons(error):
    """What went wrong, without the groups that task nurseries wrap it in."""
    if isinstance(error, BaseExceptionGroup):
        return [reason for inner in error.exceptions for reason in reasons(inner)]
    return [f"{type(error).__name__}: {error}"]


def expect(condition, message):
    """An assertion that says what was seen; unlike `assert` it never disappears."""
    if not condition:
        raise RuntimeError(message)


class OurNode:
    """The program under test with a repository of its own."""

    def __init__(self, program, folder, name="repo"):
        self.program = str(pathlib.Path(program).resolve())
        self.repo = folder / name
        self.log = folder / f"{name}.log"
        self.process = None
        # A clean environment: no setting of the person at the keyboard may change the result.
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("PEERNODE_")}

    async def command(self, *words, ok=True, stdin=b""):
        """Runs `peernode WORDS` and returns its standard output."""
        done = await trio.run_process(
            [self.program, "--repo", str(self.repo), *words], stdin=stdin, capture_stdout=True, capture_stderr=True,
            check=False, env=self.environment)
        if ok:
            expect(done.returncode == 0, f"peernode {' '.join(words)} exits {done.returncode}: {done.stderr.decode()[-400:]}")
        return done.stdout

    async def start(self):
        """Starts the node and waits for its first line; keeps `peer` and `address`."""
        log = open(self.log, "ab")
        self.process = subprocess.Popen(
            [self.program, "--repo", str(self.repo), "run", "--json", "--listen", LOOPBACK, "--api", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self.environment, start_new_session=True)
        log.close()
        line = await trio.to_thread.run_sync(self.process.stdout.readline, abandon_on_cancel=True)
        expect(line, f"the node ended at start: {self.log.read_text()[-800:]}")
        ready = json.loads(line)
        expect(ready.get("event") == "ready", f"the first line is {line!r}")
        self.peer = ready["peer_id"]
        self.api = ready["api"]
        address = next(a for a in ready["addresses"] if a.startswith("/ip4/127.0.0.1/tcp/"))
        self.address = address if "/p2p/" in address else f"{address}/p2p/{self.peer}"

    async def stop(self, how=signal.SIGTERM):
        """Ends the node and returns its exit status; a node that lingers for 10 s is a failure."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        process.send_signal(how)
        try:
            return await trio.to_thread.run_sync(lambda: process.wait(12), abandon_on_cancel=True)
        except subprocess.TimeoutExpired:
            raise RuntimeError("the node still runs 12 s after the signal") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class ForeignPeer:
    """A py-libp2p host with ping, identify and Bitswap, on one security protocol and one muxer."""

    def __init__(self, muxer="YAMUX", secure=True, keys=None):
        keys = keys or generate_new_ed25519_identity()
        noise = {NOISE: NoiseTransport(keys, noise_privkey=new_static_key().private_key)}
        plain = {PLAINTEXT_PROTOCOL_ID: InsecureTransport(keys)}
        # Its defaults would offer plaintext beside Noise, and the other muxer behind the preferred one; one of
        # each makes the result mean something.
        muxers = create_yamux_muxer_option() if muxer == "YAMUX" else create_mplex_muxer_option()
        only = {name: made for name, made in muxers.items() if muxer.lower() in name}
        expect(len(only) == 1, f"no way to offer only {muxer}: {list(muxers)}")
        self.host = new_host(key_pair=keys, sec_opt=noise if secure else plain, muxer_opt=only)

    @contextlib.asynccontextmanager
    async def running(self):
        async with self.host.run([Multiaddr(LOOPBACK)]), trio.open_nursery() as nursery:
            self.bitswap = BitswapClient(self.host, MemoryBlockStore())
            self.bitswap.set_nursery(nursery)
            self.dag = MerkleDag(self.bitswap)
            await self.bitswap.start()
            self.peer = str(self.host.get_id())
            address = str(self.host.get_addrs()[0])
            self.address = address if "/p2p/" in address else f"{address}/p2p/{self.peer}"
            try:
                yield self
            finally:
                await self.bitswap.stop()
                nursery.cancel_scope.cancel()

    async def connect(self, address):
        info = info_from_p2p_addr(Multiaddr(address))
        await self.host.connect(info)
        return info.peer_id

    async def ping(self, peer, count):
        """32 random bytes, `count` times on one stream, each echoed."""
        stream = await self.host.new_stream(peer, [PING])
        for _ in range(count):
            sent, seen = os.urandom(32), b""
            await stream.write(sent)
            while len(seen) < 32:
                part = await stream.read(32 - len(seen))
                expect(part, "the ping stream ended")
                seen += part
            expect(seen == sent, "the echo differs")
        await stream.close()

    async def identify(self, peer):
        stream = await self.host.new_stream(peer, [IDENTIFY])
        answer = await read_length_prefixed_protobuf(stream, True)
        # A stream that is left open counts against the few that one peer may have.
        await stream.close()
        return parse_identify_response(answer)


def sha(data):
    return hashlib.sha256(data).hexdigest()


async def api(ours, command, argument):
    """One call of the node's own HTTP API with its token."""
    import urllib.request

    token = (ours.repo / "api-token").read_text().strip()
    request = urllib.request.Request(
        f"{ours.api}/api/v0/{command}?arg={argument}", method="POST", data=b"", headers={"Authorization": f"Bearer {token}"})
    body = await trio.to_thread.run_sync(lambda: urllib.request.urlopen(request, timeout=20).read())
    return json.loads(body)
