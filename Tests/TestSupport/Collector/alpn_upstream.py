"""An upstream with TLS that speaks one protocol, and what it does with each request.

    alpn_upstream.py PORT CERTIFICATE KEY PROTOCOL BEHAVIOUR

PROTOCOL: h2 (PyPI's h2) or http/1.1. BEHAVIOUR, for a request that has come whole: ok (200; the body says the protocol and how
many bytes came), 503, reset (RST_STREAM, or the connection closes), refuse (RST_STREAM with REFUSED_STREAM; HTTP/1 closes), close
(the connection closes without an answer), silent (no answer). Each request is a line.
"""
import socket
import ssl
import sys
import threading

import h2.config
import h2.connection
import h2.events

port, certificate, key, protocol, behaviour = int(sys.argv[1]), *sys.argv[2:6]
lock = threading.Lock()


def say(text):
    with lock:
        print(text, flush=True)


def body(count):
    return ("%s %d" % (protocol, count)).encode()


def http1(connection):
    buffered = b""
    while True:
        while b"\r\n\r\n" not in buffered:
            more = connection.recv(65536)
            if not more:
                return
            buffered += more
        head, _, buffered = buffered.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", 0))
        while len(buffered) < length:
            more = connection.recv(65536)
            if not more:
                return
            buffered += more
        buffered = buffered[length:]
        say("request %d" % length)
        if behaviour in ("reset", "refuse", "close"):
            return
        if behaviour == "silent":
            continue
        answer = body(length)
        status = b"503 X" if behaviour == "503" else b"200 OK"
        connection.sendall(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(answer), answer))


def http2(connection):
    codec = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    codec.initiate_connection()
    connection.sendall(codec.data_to_send())
    counts = {}
    while True:
        data = connection.recv(65536)
        if not data:
            return
        for event in codec.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                counts[event.stream_id] = 0
            elif isinstance(event, h2.events.DataReceived):
                counts[event.stream_id] += len(event.data)
                codec.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                say("request %d" % counts[event.stream_id])
                if behaviour == "close":
                    return
                if behaviour in ("reset", "refuse"):
                    codec.reset_stream(event.stream_id, error_code=2 if behaviour == "reset" else 7)
                elif behaviour != "silent":
                    answer = body(counts[event.stream_id])
                    codec.send_headers(event.stream_id, [(":status", "503" if behaviour == "503" else "200"), ("content-length", str(len(answer)))])
                    codec.send_data(event.stream_id, answer, end_stream=True)
        connection.sendall(codec.data_to_send())


def serve(raw, context):
    try:
        with context.wrap_socket(raw, server_side=True) as connection:
            (http2 if connection.selected_alpn_protocol() == "h2" else http1)(connection)
    except (OSError, ssl.SSLError):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.set_alpn_protocols([protocol])
listener = socket.create_server(("127.0.0.1", port))
say("ready")
while True:
    accepted, _ = listener.accept()
    threading.Thread(target=serve, args=(accepted, context), daemon=True).start()
