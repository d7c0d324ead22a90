"""Our node and py-libp2p, each as client and as server of the other.

    interop.py PEERNODE

Both run on this machine and on loopback only: the foreign peer inside this process, our node as the real
program. Prints a line for each check and closes with 'N passed, N failed'; exits 0 only without a failure.
Speed is no concern here: the foreign peer is an implementation to agree with, not a race.
"""

import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import trio
from gossip import messages_travel
from kademlia import content_is_found
from libp2p.bitswap.cid import cid_to_text, parse_cid
from libp2p.crypto.serialization import deserialize_public_key
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.peer.id import ID
from multiaddr import Multiaddr
from peers import PING, ForeignPeer, OurNode, Report, api, expect, sha

# The foreign library refuses blocks above 512 KiB, so files are cut smaller than our default.
CHUNK = 256 * 1024


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
            await content_is_found(report, program, folder)
            await messages_travel(report, program, folder)
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
