"""Our node and py-libp2p, each as client and as server of the other.

    interop.py PEERNODE

Both run on this machine and on loopback only: the foreign peer inside this process, our node as the real
program. Prints a line for each check and closes with 'N passed, N failed'; exits 0 only without a failure.
Speed is no concern here: the foreign peer is an implementation to agree with, not a race.
"""

import contextlib
import hashlib
import json
import logging
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

logging.disable(logging.CRITICAL)

import trio
from libp2p import (
    create_mplex_muxer_option,
    create_yamux_muxer_option,
    generate_new_ed25519_identity,
    new_host,
)
from libp2p.bitswap import BitswapClient, MemoryBlockStore
from libp2p.bitswap.cid import cid_to_text, parse_cid
from libp2p.bitswap.dag import MerkleDag
from libp2p.crypto.serialization import deserialize_public_key
from libp2p.crypto.x25519 import create_new_key_pair as new_static_key
from libp2p.custom_types import TProtocol
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.identify import parse_identify_response
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.utils.varint import read_length_prefixed_protobuf
from multiaddr import Multiaddr

PING = TProtocol("/ipfs/ping/1.0.0")
LOOPBACK = "/ip4/127.0.0.1/tcp/0"
# The foreign library refuses blocks above 512 KiB, so files are cut smaller than our default.
CHUNK = 256 * 1024
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

    def __init__(self, program, folder):
        self.program = str(pathlib.Path(program).resolve())
        self.repo = folder / "repo"
        self.log = folder / "peernode.log"
        self.process = None
        # A clean environment: no setting of the person at the keyboard may change the result.
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("PEERNODE_")}

    async def command(self, *words, ok=True):
        """Runs `peernode WORDS` and returns its standard output."""
        done = await trio.run_process(
            [self.program, "--repo", str(self.repo), *words], capture_stdout=True, capture_stderr=True,
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

    def __init__(self, muxer="YAMUX", secure=True):
        keys = generate_new_ed25519_identity()
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


def last_word(output):
    """The root CID is the last word of the last line."""
    return output.decode().split()[-1]


async def they_come_to_us(report, ours, folder):
    """The foreign peer dials our node and fetches from it."""
    small, large = os.urandom(20_000), os.urandom(CHUNK * 5 + 1234)
    (folder / "small.bin").write_bytes(small)
    (folder / "large.bin").write_bytes(large)
    cids = {}
    async with report.check("our node adds a file of one block and one of six"):
        for name in ("small", "large"):
            out = await ours.command("add", "--quiet", "--chunk-size", str(CHUNK), str(folder / f"{name}.bin"))
            cids[name] = last_word(out)
    async with ForeignPeer().running() as theirs:
        peer = None
        async with report.check("they dial us: TCP, Noise, yamux"):
            peer = await theirs.connect(ours.address)
            expect(str(peer) == ours.peer, f"dialled {ours.peer}, reached {peer}")
        async with report.check("they identify us: key, protocols, addresses"):
            seen = await theirs.identify(peer)
            key = deserialize_public_key(seen.public_key)
            expect(str(ID.from_pubkey(key)) == ours.peer, "the public key is not the peer's")
            for wanted in (str(IDENTIFY), "/ipfs/id/push/1.0.0", str(PING), "/ipfs/bitswap/1.2.0"):
                expect(wanted in seen.protocols, f"{wanted} is not in {list(seen.protocols)}")
            expect("peernode/" in seen.agent_version, f"agent {seen.agent_version!r}")
            observed = str(Multiaddr(seen.observed_addr))
            expect(observed.startswith("/ip4/127.0.0.1/tcp/"), f"observed address {observed}")
            addresses = [str(Multiaddr(raw)) for raw in seen.listen_addrs]
            expect(any(ours.address.startswith(a) for a in addresses), f"listen addresses {addresses}")
        async with report.check("they ping us, 20 times on one stream"):
            await theirs.ping(peer, 20)
        async with report.check("they ping us on two streams at once, as many as the specification allows"):
            async with trio.open_nursery() as nursery:
                for _ in range(2):
                    nursery.start_soon(theirs.ping, peer, 20)
        async with report.check("they fetch a block from us"):
            data = await theirs.bitswap.new_session().get_block(parse_cid(cids["small"]), peer, 30)
            expect(sha(data) == sha(small), "the bytes differ")
        async with report.check("they fetch a file of six blocks from us"):
            data, _ = await theirs.dag.fetch_file(parse_cid(cids["large"]), peer_id=peer)
            expect(sha(data) == sha(large), "the bytes differ")
        async with report.check("we tell them what we do not have"):
            absent = parse_cid("bafkrei" + "a" * 52)
            # Its own `have_block` takes silence for a yes, so ask and look at the answer itself.
            await theirs.bitswap.want_block(absent, want_type=1, send_dont_have=True)
            await theirs.bitswap._send_wantlist_to_peer(peer, [absent])
            while peer not in theirs.bitswap.presence_manager.get_dont_have_peers(absent):
                await trio.sleep(0.05)
    for muxer, secure, what in (("YAMUX", False, "plaintext"), ("MPLEX", True, "mplex")):
        async with report.check(f"we refuse a peer that offers only {what}"):
            async with ForeignPeer(muxer, secure).running() as theirs:
                try:
                    with trio.fail_after(20):
                        reached = await theirs.connect(ours.address)
                        await theirs.ping(reached, 1)
                except Exception:
                    reached = None
                expect(reached is None, "the connection was accepted")
    return cids, {"small": small, "large": large}


async def we_go_to_them(report, ours, folder):
    """Our node dials the foreign peer and fetches from it; twice, the second time from a new peer."""
    for turn in ("first", "second"):
        async with ForeignPeer().running() as theirs:
            small, large = os.urandom(20_000), os.urandom(CHUNK * 5 + 4321)
            cids = {}
            async with report.check(f"the {turn} foreign peer holds a file of one block and one of six"):
                for name, data in (("small", small), ("large", large)):
                    path = folder / f"theirs-{name}.bin"
                    path.write_bytes(data)
                    cids[name] = cid_to_text(await theirs.dag.add_file(str(path), wrap_with_directory=False))
            async with report.check("we dial them: TCP, Noise, yamux"):
                await ours.command("swarm", "connect", theirs.address)
            async with report.check("they are among our peers"):
                expect(theirs.peer.encode() in await ours.command("swarm", "peers", "--json"), "not in the list")
            async with report.check("we ping them"):
                await ours.command("ping", "--count", "3", theirs.peer)
            async with report.check("we identify them"):
                answer = await api(ours, "id", theirs.peer)
                expect(answer["ID"] == theirs.peer, f"the id is {answer['ID']}")
                expect(str(PING) in answer["Protocols"], f"protocols {answer['Protocols']}")
                expect(answer["AgentVersion"], "no agent version")
            async with report.check("we fetch a block from them (answered on our own stream)"):
                data = await ours.command("block", "get", cids["small"])
                expect(sha(data) == sha(small), "the bytes differ")
            async with report.check("we fetch a file of six blocks from them, to disk"):
                target = folder / f"fetched-{turn}.bin"
                await ours.command("get", cids["large"], "-o", str(target))
                expect(sha(target.read_bytes()) == sha(large), "the bytes differ")
            async with report.check("what we fetched stays: cat reads it again"):
                expect(sha(await ours.command("cat", cids["large"])) == sha(large), "the bytes differ")
            async with report.check("we hang up"):
                await ours.command("swarm", "disconnect", theirs.address)
                expect(theirs.peer.encode() not in await ours.command("swarm", "peers", "--json"), "still in the list")


async def api(ours, command, argument):
    """One call of the node's own HTTP API with its token."""
    import urllib.request

    token = (ours.repo / "api-token").read_text().strip()
    request = urllib.request.Request(
        f"{ours.api}/api/v0/{command}?arg={argument}", method="POST", data=b"", headers={"Authorization": f"Bearer {token}"})
    body = await trio.to_thread.run_sync(lambda: urllib.request.urlopen(request, timeout=20).read())
    return json.loads(body)


async def we_come_back(report, ours, cids, files):
    """Our node keeps its name and its content over a clean stop and over a kill."""
    for how, name in ((signal.SIGTERM, "a clean stop"), (signal.SIGKILL, "a kill")):
        before = ours.peer
        async with report.check(f"after {name} our node has the same name and serves them again"):
            status = await ours.stop(how)
            expect(how == signal.SIGKILL or status == 0, f"exit status {status}")
            await ours.start()
            expect(ours.peer == before, f"was {before}, is {ours.peer}")
            async with ForeignPeer().running() as theirs:
                peer = await theirs.connect(ours.address)
                data, _ = await theirs.dag.fetch_file(parse_cid(cids["large"]), peer_id=peer)
                expect(sha(data) == sha(files["large"]), "the bytes differ")


async def main(program):
    report = Report()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="peernode-interop-"))
    ours = OurNode(program, folder)
    started = time.monotonic()
    try:
        async with report.check("our node starts"):
            await ours.command("init", "--if-needed")
            await ours.start()
        if report.failed == 0:
            cids, files = await they_come_to_us(report, ours, folder)
            await we_go_to_them(report, ours, folder)
            await we_come_back(report, ours, cids, files)
            async with report.check("our node ends cleanly"):
                expect(await ours.stop() == 0, "exit status is not 0")
        if report.failed and ours.log.exists():
            print("--- the end of our node's log\n" + ours.log.read_text()[-4000:], flush=True)
    finally:
        ours.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{time.monotonic() - started:.0f} s")
    return report.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda *_: sys.exit(143))
    sys.exit(trio.run(main, sys.argv[1]))
