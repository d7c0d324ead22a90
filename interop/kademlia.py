"""Content is found by its CID: our node and py-libp2p's kad-dht, each as the other's server and as its client.

On loopback the DHT of the public network is its LAN half, `/ipfs/lan/kad/1.0.0`; the messages are the same.
"""

import contextlib
import importlib
import os

import trio
from libp2p.bitswap.cid import compute_cid_v1, cid_to_text, parse_cid
from libp2p.custom_types import TProtocol
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.kad_dht.pb.kademlia_pb2 import Message
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.records.ipns import IPNSValidator
from libp2p.tools.anyio_service import background_trio_service
from libp2p.utils.varint import encode_uvarint, read_length_prefixed_protobuf
from multiaddr import Multiaddr
from peers import ForeignPeer, OurNode, api, expect

KAD = TProtocol("/ipfs/lan/kad/1.0.0")

# The library takes a prefix and speaks /ipfs/kad/1.0.0 all the same: the constant is what counts.
for module in ("common", "kad_dht", "peer_routing", "provider_store", "value_store"):
    setattr(importlib.import_module(f"libp2p.kad_dht.{module}"), "PROTOCOL_ID", KAD)


class KadPeer(ForeignPeer):
    """A foreign peer with its own DHT: a server, or one that only asks."""

    def __init__(self, mode=DHTMode.SERVER):
        super().__init__()
        # Its limit of two peers of a subnet would leave room for two on loopback.
        self.dht = KadDHT(self.host, mode, max_peers_per_subnet=0)

    @contextlib.asynccontextmanager
    async def running(self):
        async with super().running(), background_trio_service(self.dht):
            yield self

    async def join(self, address):
        """Dials a server and takes it into the table."""
        peer = await self.connect(address)
        await self.dht.routing_table.add_peer(info_from_p2p_addr(Multiaddr(address)), skip_server_mode_check=True)
        return peer

    def holds(self, cid):
        """Who its own store says provides it."""
        return [str(info.peer_id) for info in self.dht.provider_store.get_providers(parse_cid(cid).multihash)]

    async def finds(self, cid):
        return {str(info.peer_id): [str(a) for a in info.addrs] for info in await self.dht.find_providers(cid)}

    async def ask(self, peer, message):
        """One message to one peer, as its own bytes; the answer."""
        stream = await self.host.new_stream(peer, [KAD])
        data = message.SerializeToString()
        await stream.write(encode_uvarint(len(data)) + data)
        answer = Message()
        answer.ParseFromString(await read_length_prefixed_protobuf(stream, True))
        await stream.close()
        return answer


def new_content():
    """The CID of content that nobody has."""
    return cid_to_text(compute_cid_v1(os.urandom(100)))


async def until(condition, what, seconds=20):
    """Waits until a check that is repeated says yes; the last answer is in the failure."""
    seen = None
    with trio.move_on_after(seconds):
        while True:
            seen = await condition()
            if seen:
                return seen
            await trio.sleep(0.2)
    raise RuntimeError(f"{what}: {seen!r}")


async def found_by_us(ours, cid):
    """The providers that our node finds; none are an exit status of their own."""
    return (await ours.command("routing", "findprovs", cid, ok=False)).decode().split()


async def they_use_our_server(report, ours):
    """Two foreign peers that know nobody but our node find each other's content, and each other, through it."""
    cid = new_content()
    async with KadPeer().running() as first, KadPeer(DHTMode.CLIENT).running() as second:
        async with report.check("they announce a provider to our server"):
            await first.join(ours.address)
            await until(lambda: first.dht.provide(cid), "no peer took the announcement")
        async with report.check("our node finds the provider that they announced"):
            async def seen():
                return first.peer in await found_by_us(ours, cid)
            await until(seen, f"{first.peer} is not among the providers")
        async with report.check("they find it over our server: peer and address"):
            peer = await second.join(ours.address)
            providers = await second.finds(cid)
            expect(first.peer in providers, f"providers {providers}")
            address = first.address.split("/p2p/")[0]
            expect(any(address in a for a in providers[first.peer]), f"addresses {providers[first.peer]}")
        async with report.check("they find a peer over our server"):
            async def known():
                info = await second.dht.find_peer(ID.from_base58(first.peer))
                return info is not None and [str(a) for a in info.addrs]
            await until(known, "the peer is not found")
        async with report.check("they ping our server in the DHT's own way"):
            answer = await second.ask(peer, Message(type=Message.MessageType.PING))
            expect(answer.type == Message.MessageType.PING, f"type {answer.type}")


async def we_use_their_server(report, ours, folder):
    """Our node finds what they announced among themselves, and announces to them."""
    cid = new_content()
    async with KadPeer().running() as server, KadPeer().running() as holder, KadPeer(DHTMode.CLIENT).running() as reader:
        async with report.check("they announce a provider to their own server, before our node comes"):
            await holder.join(server.address)
            expect(await holder.dht.provide(cid), "no peer took the announcement")
            # It sends and goes on: nobody says when the announcement has been read.
            async def taken():
                return holder.peer in server.holds(cid)
            await until(taken, f"their server holds {server.holds(cid)}")
        async with report.check("our node finds it over their server"):
            await ours.command("swarm", "connect", server.address)
            async def seen():
                return holder.peer in await found_by_us(ours, cid)
            await until(seen, f"{holder.peer} is not among the providers")
        async with report.check("our node finds a peer over their server"):
            async def known():
                port = holder.address.split("/tcp/")[1].split("/")[0]
                return port in (await ours.command("routing", "findpeer", holder.peer, ok=False)).decode()
            await until(known, "the address is not found")
        path = folder / "announced.bin"
        path.write_bytes(os.urandom(5000))
        mine = (await ours.command("add", "--quiet", str(path))).decode().split()[-1]
        async with report.check("our node announces a provider to their server"):
            await ours.command("routing", "provide", mine)
            async def stored():
                return ours.peer in server.holds(mine)
            await until(stored, f"their server holds {server.holds(mine)}")
        async with report.check("they find the provider that our node announced, over their server"):
            await reader.join(server.address)
            providers = await reader.finds(mine)
            expect(ours.peer in providers, f"providers {providers}")
            expect(any(ours.address.split("/p2p/")[0] in a for a in providers[ours.peer]), f"{providers[ours.peer]}")
        async with report.check("they fetch it from the address that the record gave"):
            address = next(a for a in providers[ours.peer] if "/tcp/" in a and "/127.0.0.1/" in a)
            peer = await reader.connect(address if "/p2p/" in address else f"{address}/p2p/{ours.peer}")
            data, _ = await reader.dag.fetch_file(parse_cid(mine), peer_id=peer)
            expect(data == path.read_bytes(), "the bytes differ")
        async with report.check("our node publishes its name; they read the record from us and find it valid"):
            # Their own look-up takes text for a key, which an /ipns/ key is not: one message by hand.
            await ours.command("name", "publish", f"/ipfs/{mine}", ok=False)
            name = ID.from_base58(ours.peer).to_bytes()
            request = Message(type=Message.MessageType.GET_VALUE, key=b"/ipns/" + name)
            async def served():
                answer = await reader.ask(peer, request)
                return answer.record.value
            value = await until(served, "no record")
            parsed = IPNSValidator().validate_with_details(f"/ipns/{name.hex()}", value)
            pointed = parsed.value if isinstance(parsed.value, str) else bytes(parsed.value).decode()
            expect(pointed == f"/ipfs/{mine}", f"it points to {pointed}")


async def content_is_found(report, program, folder):
    """The whole part, with a node of the public network's kind that nobody was introduced to."""
    ours = OurNode(program, folder, "dht")
    before = report.failed
    try:
        async with report.check("our node starts in the network 'ipfs' and serves its LAN DHT"):
            await ours.command("init", "--if-needed")
            await ours.command("config", "set", "network.name", "ipfs")
            await ours.start()
            protocols = (await api(ours, "id", ours.peer))["Protocols"]
            expect(str(KAD) in protocols, f"protocols {protocols}")
        if report.failed > before:
            # Each of the rest would only wait for its limit.
            return
        await they_use_our_server(report, ours)
        await we_use_their_server(report, ours, folder)
        async with report.check("it ends cleanly"):
            expect(await ours.stop() == 0, "exit status is not 0")
    finally:
        if report.failed > before and ours.log.exists():
            print("--- the end of that node's log\n" + ours.log.read_text()[-3000:], flush=True)
        ours.kill()
