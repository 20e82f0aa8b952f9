"""ssh -N -L with asyncssh: host port user key hostkey compression rekey_bytes bind:port:host:port...

With the one argument "algorithms" it prints what asyncssh offers, one "kind name" per line.
"""
import asyncio
import sys

import asyncssh


def print_algorithms():
    from asyncssh import encryption, kex, mac
    for name in kex.get_default_kex_algs():
        print("kex", name.decode())
    for name in encryption.get_default_encryption_algs():
        print("cipher", name.decode())
    for name in mac.get_default_mac_algs():
        print("mac", name.decode())


async def main(host, port, user, key, host_key, compression, rekey_bytes, *forwards):
    known_hosts = asyncssh.import_known_hosts(f"[{host}]:{port} {host_key}\n")
    options = {"rekey_bytes": int(rekey_bytes)} if int(rekey_bytes) else {}
    connection = await asyncssh.connect(
        host, int(port), username=user, client_keys=[key], known_hosts=known_hosts, config=None,
        agent_path=None, compression_algs=[compression], **options)
    for forward in forwards:
        bind, listen_port, target, target_port = forward.split(":")
        await connection.forward_local_port(bind, int(listen_port), target, int(target_port))
    await connection.wait_closed()


if sys.argv[1:] == ["algorithms"]:
    print_algorithms()
else:
    asyncio.run(main(*sys.argv[1:]))
