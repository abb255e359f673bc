"""Client of the interoperability tests: every case over one channel.

    client.py PORT [--authority FILE] [--servers N]

Prints "ok CASE" or "FAILED CASE: why" per case, and "done".
"""

import argparse
import statistics
import sys
import threading
import time
import traceback

import grpc

import messages as m

CASES = {}
LIMIT = 20  # seconds that a call may take


def case(function):
    CASES[function.__name__] = function
    return function


class Stub:
    def __init__(self, channel, service=m.SERVICE):
        kinds = {
            (False, False): channel.unary_unary, (False, True): channel.unary_stream,
            (True, False): channel.stream_unary, (True, True): channel.stream_stream,
        }
        for name, (_, response, client, server) in m.METHODS.items():
            setattr(self, name, kinds[client, server](
                f"/{service}/{name}", request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=getattr(m, response).FromString))


def same(found, wanted):
    if found != wanted:
        raise AssertionError(f"found {found!r}, expected {wanted!r}")


def fails(call, code, details=None):
    try:
        call()
    except grpc.RpcError as error:
        same(error.code(), code)
        if details is not None:
            same(error.details(), details)
        return error
    raise AssertionError(f"no error, expected {code}")


class Requests:
    """Requests of a stream that the test sends one by one."""

    def __init__(self):
        self.condition = threading.Condition()
        self.queue = []
        self.is_closed = False

    def send(self, request):
        with self.condition:
            self.queue.append(request)
            self.condition.notify()

    def close(self):
        with self.condition:
            self.is_closed = True
            self.condition.notify()

    def __iter__(self):
        return self

    def __next__(self):
        with self.condition:
            self.condition.wait_for(lambda: self.queue or self.is_closed, LIMIT)
            if self.queue:
                return self.queue.pop(0)
            raise StopIteration


def unary(size=314159, body=271828, **more):
    return m.SimpleRequest(response_size=size, payload=m.payload(body), **more)


def output(*sizes, body=0, compressed=False, interval=0):
    return m.StreamingOutputCallRequest(
        payload=m.payload(body),
        response_parameters=[m.ResponseParameters(size=s, compressed=compressed, interval_us=interval) for s in sizes])


@case
def empty_unary(stub, options):
    same(stub.EmptyCall(m.Empty(), timeout=LIMIT), m.Empty())


@case
def large_unary(stub, options):
    same(len(stub.UnaryCall(unary(), timeout=LIMIT).payload.body), 314159)


@case
def client_compressed_unary(stub, options):
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate, grpc.Compression.NoCompression):
        same(len(stub.UnaryCall(unary(), timeout=LIMIT, compression=compression).payload.body), 314159)


@case
def server_compressed_unary(stub, options):
    for compressed in (True, False):
        response = stub.UnaryCall(unary(response_compressed=compressed), timeout=LIMIT)
        same(len(response.payload.body), 314159)


@case
def client_compressed_streaming(stub, options):
    requests = [m.StreamingInputCallRequest(payload=m.payload(s)) for s in (27182, 45904)]
    response = stub.StreamingInputCall(iter(requests), timeout=LIMIT, compression=grpc.Compression.Gzip)
    same(response.aggregated_payload_size, 73086)


@case
def server_compressed_streaming(stub, options):
    responses = stub.StreamingOutputCall(output(31415, 92653, compressed=True), timeout=LIMIT)
    same([len(r.payload.body) for r in responses], [31415, 92653])


@case
def client_streaming(stub, options):
    requests = [m.StreamingInputCallRequest(payload=m.payload(s)) for s in (27182, 8, 1828, 45904)]
    same(stub.StreamingInputCall(iter(requests), timeout=LIMIT).aggregated_payload_size, 74922)


@case
def server_streaming(stub, options):
    sizes = [31415, 9, 2653, 58979]
    same([len(r.payload.body) for r in stub.StreamingOutputCall(output(*sizes), timeout=LIMIT)], sizes)


@case
def ping_pong(stub, options):
    requests = Requests()
    responses = stub.FullDuplexCall(requests, timeout=LIMIT)
    for size, body in ((31415, 27182), (9, 8), (2653, 1828), (58979, 45904)):
        requests.send(output(size, body=body))
        same(len(next(responses).payload.body), size)
    requests.close()
    same(list(responses), [])
    same(responses.code(), grpc.StatusCode.OK)


@case
def empty_stream(stub, options):
    same(list(stub.FullDuplexCall(iter(()), timeout=LIMIT)), [])


@case
def cancel_after_begin(stub, options):
    requests = Requests()
    call = stub.StreamingInputCall.future(requests, timeout=LIMIT)
    call.cancel()
    requests.close()
    same(call.code(), grpc.StatusCode.CANCELLED)


@case
def cancel_after_first_response(stub, options):
    requests = Requests()
    responses = stub.FullDuplexCall(requests, timeout=LIMIT)
    requests.send(output(31415, body=27182))
    same(len(next(responses).payload.body), 31415)
    responses.cancel()
    requests.close()
    fails(lambda: next(responses), grpc.StatusCode.CANCELLED)


@case
def timeout_on_sleeping_server(stub, options):
    requests = Requests()
    responses = stub.FullDuplexCall(requests, timeout=0.05)
    requests.send(output(8, body=27182, interval=400_000))
    fails(lambda: next(responses), grpc.StatusCode.DEADLINE_EXCEEDED)
    requests.close()


@case
def custom_metadata(stub, options):
    initial = "x-grpc-test-echo-initial"
    trailing = "x-grpc-test-echo-trailing-bin"
    metadata = ((initial, "test_initial_metadata_value"), (trailing, b"\xab\xab\xab"))
    _, call = stub.UnaryCall.with_call(unary(), metadata=metadata, timeout=LIMIT)
    same(dict(call.initial_metadata())[initial], "test_initial_metadata_value")
    same(dict(call.trailing_metadata())[trailing], b"\xab\xab\xab")
    call = stub.FullDuplexCall(iter([output(314159, body=271828)]), metadata=metadata, timeout=LIMIT)
    same([len(r.payload.body) for r in call], [314159])
    same(dict(call.initial_metadata())[initial], "test_initial_metadata_value")
    same(dict(call.trailing_metadata())[trailing], b"\xab\xab\xab")


@case
def status_code_and_message(stub, options):
    status = m.EchoStatus(code=2, message="test status message")
    request = m.SimpleRequest(response_status=status)
    fails(lambda: stub.UnaryCall(request, timeout=LIMIT), grpc.StatusCode.UNKNOWN, "test status message")
    request = m.StreamingOutputCallRequest(response_status=status)
    fails(lambda: list(stub.FullDuplexCall(iter([request]), timeout=LIMIT)), grpc.StatusCode.UNKNOWN, "test status message")


@case
def special_status_message(stub, options):
    message = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"
    request = m.SimpleRequest(response_status=m.EchoStatus(code=2, message=message))
    fails(lambda: stub.UnaryCall(request, timeout=LIMIT), grpc.StatusCode.UNKNOWN, message)


@case
def every_status(stub, options):
    for code in grpc.StatusCode:
        if code is not grpc.StatusCode.OK:
            request = m.SimpleRequest(response_status=m.EchoStatus(code=code.value[0], message=code.name))
            fails(lambda: stub.UnaryCall(request, timeout=LIMIT), code, code.name)


@case
def status_after_messages(stub, options):
    request = output(5, 6)
    request.response_status.code = 11
    request.response_status.message = "enough"
    responses = stub.StreamingOutputCall(request, timeout=LIMIT)
    same([len(next(responses).payload.body) for _ in range(2)], [5, 6])
    fails(lambda: next(responses), grpc.StatusCode.OUT_OF_RANGE, "enough")


@case
def unimplemented_method(stub, options):
    fails(lambda: stub.UnimplementedCall(m.Empty(), timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED)


@case
def unimplemented_service(stub, options):
    other = Stub(options.channel, m.MISSING_SERVICE)
    fails(lambda: other.UnimplementedCall(m.Empty(), timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED)


@case
def balancing(stub, options):
    """Every request of the one connection chooses a server of its own."""
    calls = 20 * options.servers
    found = [stub.UnaryCall(m.SimpleRequest(fill_server_id=True), timeout=LIMIT).server_id for _ in range(calls)]
    same(sorted(set(found)), [f"server-{i}" for i in range(options.servers)])
    for name in set(found):
        same(found.count(name), 20)
    # One after the other, in turn.
    same(len(set(found[:options.servers])), options.servers)


@case
def concurrent_large_unary(stub, options):
    calls = [stub.UnaryCall.future(unary(), timeout=LIMIT) for _ in range(100)]
    for call in calls:
        same(len(call.result().payload.body), 314159)


@case
def large_streams(stub, options):
    """More than the windows in both directions at once."""
    sizes = [1 << 20] * 8
    requests = (output(size, body=1 << 20) for size in sizes)
    same([len(r.payload.body) for r in stub.FullDuplexCall(requests, timeout=LIMIT)], sizes)


@case
def slow_reader_holds_up_itself_alone(stub, options):
    slow = [stub.StreamingOutputCall(output(*[1 << 20] * 16), timeout=LIMIT) for _ in range(4)]
    for responses in slow:
        next(responses)
    time.sleep(0.2)
    for _ in range(20):
        stub.EmptyCall(m.Empty(), timeout=2)
    for responses in slow:
        same(sum(1 for _ in responses), 15)


@case
def streaming_has_no_delay(stub, options):
    """Small messages go through as they come: their round trip is far below any timer."""
    requests = Requests()
    responses = stub.FullDuplexCall(requests, timeout=LIMIT)
    times = []
    for _ in range(200):
        start = time.monotonic()
        requests.send(output(10, body=10))
        next(responses)
        times.append(time.monotonic() - start)
    requests.close()
    same(list(responses), [])
    if statistics.median(times) > 0.02:
        raise AssertionError(f"median round trip {statistics.median(times) * 1e3:.1f} ms")
    print(f"note: median round trip {statistics.median(times) * 1e6:.0f} us")


@case
def many_short_streams(stub, options):
    for _ in range(300):
        same(len(list(stub.FullDuplexCall(iter([output(1, 2)]), timeout=LIMIT))), 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--authority")
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--only", action="append")
    options = parser.parse_args()
    settings = [("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
    if options.authority:
        with open(options.authority, "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        channel = grpc.secure_channel(f"localhost:{options.port}", credentials, settings)
    else:
        channel = grpc.insecure_channel(f"127.0.0.1:{options.port}", settings)
    options.channel = channel
    stub = Stub(channel)
    for name, function in CASES.items():
        if options.only and name not in options.only:
            continue
        try:
            function(stub, options)
            print(f"ok {name}", flush=True)
        except Exception as error:  # whatever it is, the other cases run
            where = traceback.extract_tb(sys.exc_info()[2])[-1]
            print(f"FAILED {name}: line {where.lineno}: {error!r}".replace("\n", " "), flush=True)
    channel.close()
    print("done")


main()
