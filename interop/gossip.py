"""Messages of a topic: our node and py-libp2p's gossipsub, each publishing to the other, signed by their authors."""

import base64
import contextlib
import functools
import json
import os
import signal
import subprocess

import trio
from kademlia import until
from libp2p import generate_new_ed25519_identity
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.validators import signature_validator
from libp2p.tools.anyio_service import background_trio_service
from peers import ForeignPeer, OurNode, expect

TOPIC = "coliving-interop"
MESH = [TProtocol(f"/meshsub/1.{minor}.0") for minor in (2, 1, 0)]


class GossipPeer(ForeignPeer):
    """A foreign peer that keeps every message of the topic."""

    def __init__(self, keys=None):
        super().__init__(keys=keys)
        # By default its heart beats every two minutes, and it takes ten messages a second for spam.
        self.router = GossipSub(
            protocols=MESH, degree=6, degree_low=4, degree_high=12, heartbeat_interval=1,
            max_messages_per_topic_per_second=1e9, spam_protection_enabled=False)
        self.pubsub = Pubsub(self.host, self.router, strict_signing=True)
        self.messages = []

    @contextlib.asynccontextmanager
    async def running(self, subscribed=True):
        async with super().running(), background_trio_service(self.pubsub), background_trio_service(self.router):
            await self.pubsub.wait_until_ready()
            async with trio.open_nursery() as nursery:
                if subscribed:
                    subscription = await self.pubsub.subscribe(TOPIC)
                    nursery.start_soon(self.collect, subscription)
                yield self
                nursery.cancel_scope.cancel()

    async def collect(self, subscription):
        async for message in subscription:
            self.messages.append(message)

    def heard(self, author):
        """What it has of one author, in the order in which it came."""
        return [message for message in self.messages if str(ID(message.from_id)) == author]

    def sees(self, peer):
        return any(str(other) == peer for other in self.pubsub.peer_topics.get(TOPIC, ()))

    def has_in_mesh(self, peer):
        return any(str(other) == peer for other in self.router.mesh.get(TOPIC, ()))

    async def publish(self, data):
        await self.pubsub.publish(TOPIC, data)
        # What it has no room for in a peer's queue it drops without a word: that must not look like our loss.
        await trio.sleep(0.05)


class OurReader:
    """`peernode pubsub sub` as a process, its lines taken apart."""

    def __init__(self, ours):
        self.ours = ours
        self.messages = []

    @contextlib.asynccontextmanager
    async def running(self):
        words = [self.ours.program, "--repo", str(self.ours.repo), "pubsub", "sub", TOPIC, "--json"]
        async with trio.open_nursery() as nursery:
            process = await nursery.start(
                functools.partial(
                    trio.run_process, words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                    env=self.ours.environment, check=False))
            nursery.start_soon(self.collect, process)
            try:
                yield self
            finally:
                process.kill()
                nursery.cancel_scope.cancel()

    async def collect(self, process):
        rest = b""
        async for part in process.stdout:
            *lines, rest = (rest + part).split(b"\n")
            self.messages += [json.loads(line) for line in lines if line]

    def heard(self, author):
        return [from_multibase(m["data"]) for m in self.messages if m["from"] == author]


def from_multibase(text):
    expect(text[:1] == "u", f"{text[:8]!r} is not base64url")
    return base64.urlsafe_b64decode(text[1:] + "=" * (-(len(text) - 1) % 4))


async def status(ours):
    """Our node's view of the topic: who is in it, who of them is in the mesh; empty when it is not in the topic."""
    value = json.loads(await ours.command("pubsub", "stat", "--json"))
    return next((topic for topic in value["topics"] if topic["topic"] == TOPIC), {"peers": [], "mesh": []})


async def publish(ours, data):
    await ours.command("pubsub", "pub", TOPIC, stdin=data)


async def meet(report, ours, theirs, what):
    """Subscriptions and meshes on both sides."""
    async with report.check(f"{what}: each side knows that the other is in the topic"):
        async def known():
            return theirs.sees(ours.peer) and theirs.peer in (await status(ours))["peers"]
        await until(known, "the subscription has not arrived")
    async with report.check(f"{what}: each side has the other in its mesh"):
        async def grafted():
            return theirs.has_in_mesh(ours.peer) and theirs.peer in (await status(ours))["mesh"]
        await until(grafted, "no graft")


def numbers(messages):
    return [int.from_bytes(message.seqno, "big") for message in messages]


async def both_ways(report, ours, theirs, reader, count=20):
    """Messages of many sizes in both directions, none lost, none changed, none twice."""
    sizes = [0, 1, 127, 128, 1024, 16_384, 70_000, 300_000] + [1024] * (count - 8)
    async with report.check(f"they get {count} messages of ours: bytes, author, number, signature"):
        before = len(theirs.heard(ours.peer))
        sent = [os.urandom(size) for size in sizes]
        for data in sent:
            await publish(ours, data)
        async def all_there():
            return len(theirs.heard(ours.peer)) >= before + count
        await until(all_there, f"not all of {count} arrived")
        got = theirs.heard(ours.peer)[before:]
        expect(sorted(m.data for m in got) == sorted(sent), "the bytes differ")
        expect(all(signature_validator(m) for m in got), "a signature is wrong")
        expect(all(len(m.seqno) == 8 for m in got) and len(set(numbers(got))) == count, f"numbers {numbers(got)}")
    async with report.check(f"we get {count} messages of theirs: bytes and author"):
        before = len(reader.heard(theirs.peer))
        sent = [os.urandom(size) for size in sizes]
        for data in sent:
            await theirs.publish(data)
        async def all_here():
            return len(reader.heard(theirs.peer)) >= before + count
        await until(all_here, f"not all of {count} arrived")
        expect(sorted(reader.heard(theirs.peer)[before:]) == sorted(sent), "the bytes differ")


async def they_come_to_us(report, ours):
    """They dial; then they leave the topic and we leave it, each seen by the other."""
    async with OurReader(ours).running() as reader, GossipPeer().running() as theirs:
        async with report.check("they dial our node, which is in the topic"):
            await until(lambda: listed(ours), "our node is not in the topic")
            await theirs.connect(ours.address)
        await meet(report, ours, theirs, "they dialled")
        await both_ways(report, ours, theirs, reader)
        async with report.check("they leave the topic: they are neither among our peers nor in our mesh"):
            await theirs.pubsub.unsubscribe(TOPIC)
            async def gone():
                seen = await status(ours)
                return theirs.peer not in seen["peers"] + seen["mesh"]
            await until(gone, "still there")
    async with GossipPeer().running() as theirs:
        async with OurReader(ours).running():
            await until(lambda: listed(ours), "our node is not in the topic")
            await theirs.connect(ours.address)
            await meet(report, ours, theirs, "another dialled")
        async with report.check("our subscriber leaves: our node is neither among their peers nor in their mesh"):
            async def gone():
                return not await listed(ours) and not theirs.sees(ours.peer) and not theirs.has_in_mesh(ours.peer)
            await until(gone, "still there")
        async with report.check("without a subscriber our node still publishes to the topic"):
            async def known():
                return theirs.peer in (await ours.command("pubsub", "peers", TOPIC)).decode().split()
            await until(known, "our node does not know that they are in the topic")
            await publish(ours, b"from outside")
            async def there():
                return [m.data for m in theirs.heard(ours.peer)] == [b"from outside"]
            await until(there, "the message has not arrived")


async def listed(ours):
    return TOPIC in (await ours.command("pubsub", "ls")).decode().split()


async def we_go_to_them(report, ours):
    """We dial; two of them hear each other through our node only."""
    async with OurReader(ours).running() as reader, GossipPeer().running() as first, GossipPeer().running() as second:
        await until(lambda: listed(ours), "our node is not in the topic")
        async with report.check("our node dials two of them"):
            for theirs in (first, second):
                await ours.command("swarm", "connect", theirs.address)
        for theirs, name in ((first, "the first"), (second, "the second")):
            await meet(report, ours, theirs, f"we dialled {name}")
        async with report.check("our node passes on 20 messages from one to the other, and reads them"):
            sent = [os.urandom(600) for _ in range(20)]
            for data in sent:
                await first.publish(data)
            async def arrived():
                return len(second.heard(first.peer)) >= 20 and len(reader.heard(first.peer)) >= 20
            await until(arrived, "not all of 20 arrived")
            expect(sorted(m.data for m in second.heard(first.peer)) == sorted(sent), "the bytes differ")
            expect(all(signature_validator(m) for m in second.heard(first.peer)), "a signature is wrong")


async def somebody_restarts(report, ours):
    """Numbers of ours go on over a stop and over a kill; a peer of theirs comes back under its name."""
    keys = generate_new_ed25519_identity()
    seen = []
    for how, what in ((None, "at first"), (signal.SIGTERM, "after a clean stop"), (signal.SIGKILL, "after a kill")):
        async with report.check(f"our node, {what}: its message has a number above all before"):
            if how is not None:
                await ours.stop(how)
                await ours.start()
            # The same foreign peer each time, started anew: it has the topic and its name, and no memory.
            async with GossipPeer(keys).running() as theirs, OurReader(ours).running() as reader:
                await until(lambda: listed(ours), "our node is not in the topic")
                await theirs.connect(ours.address)
                async def known():
                    return theirs.sees(ours.peer) and theirs.peer in (await status(ours))["peers"]
                await until(known, "the subscription has not arrived")
                await publish(ours, what.encode())
                async def there():
                    return [m.data for m in theirs.heard(ours.peer)] == [what.encode()]
                await until(there, "the message has not arrived")
                seen += numbers(theirs.heard(ours.peer))
                # Its numbers are seconds, so that those of its next life are greater.
                await theirs.publish(b"back " + what.encode())
                async def here():
                    return reader.heard(theirs.peer) == [b"back " + what.encode()]
                await until(here, "their message has not arrived")
                await trio.sleep(1.2)
    async with report.check("no number of ours was used twice or went back"):
        expect(seen == sorted(set(seen)) and len(seen) == 3, f"numbers {seen}")


async def messages_travel(report, program, folder):
    """The whole part, with a node that nobody was introduced to."""
    ours = OurNode(program, folder, "gossip")
    before = report.failed
    try:
        async with report.check("our node starts and offers gossipsub 1.0 to 1.2 and floodsub"):
            await ours.command("init", "--if-needed")
            await ours.start()
            async with ForeignPeer().running() as theirs:
                seen = await theirs.identify(await theirs.connect(ours.address))
                for wanted in [str(protocol) for protocol in MESH] + ["/floodsub/1.0.0"]:
                    expect(wanted in seen.protocols, f"{wanted} is not in {list(seen.protocols)}")
        if report.failed > before:
            return
        await they_come_to_us(report, ours)
        await we_go_to_them(report, ours)
        await somebody_restarts(report, ours)
        async with report.check("that node ends cleanly"):
            expect(await ours.stop() == 0, "exit status is not 0")
    finally:
        if report.failed > before and ours.log.exists():
            print("--- the end of that node's log\n" + ours.log.read_text()[-3000:], flush=True)
        ours.kill()
