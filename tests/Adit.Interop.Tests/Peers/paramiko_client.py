"""ssh -N -L with paramiko: host port user key hostkey compression rekey_bytes bind:port:host:port...

paramiko has no forwarding of its own: two threads per connection copy, each ending its direction by itself.
"""
import base64
import socket
import sys
import threading

import paramiko


def copy(read, write, end):
    while True:
        data = read(65536)
        if not data:
            break
        write(data)
    end()


def serve(transport, listener, target):
    while True:
        near, origin = listener.accept()
        far = transport.open_channel("direct-tcpip", target, origin)
        threading.Thread(target=copy, args=(near.recv, far.sendall, far.shutdown_write), daemon=True).start()
        threading.Thread(target=copy, args=(far.recv, near.sendall, lambda s=near: s.shutdown(socket.SHUT_WR)), daemon=True).start()


def main(host, port, user, key, host_key, compression, rekey_bytes, *forwards):
    client = paramiko.SSHClient()
    kind, blob = host_key.split(" ")
    client.get_host_keys().add(f"[{host}]:{port}", kind, paramiko.Ed25519Key(data=base64.b64decode(blob)))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(host, int(port), username=user, key_filename=key, allow_agent=False, look_for_keys=False,
                   compress=compression != "none")
    threads = []
    for forward in forwards:
        bind, listen_port, target, target_port = forward.split(":")
        listener = socket.create_server((bind, int(listen_port)), backlog=128)
        thread = threading.Thread(target=serve, args=(client.get_transport(), listener, (target, int(target_port))), daemon=True)
        thread.start()
        threads.append(thread)
    client.get_transport().join()


main(*sys.argv[1:])
