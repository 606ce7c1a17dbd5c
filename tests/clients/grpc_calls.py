"""Calls by grpcio, of a server of grpcio, through a proxy: grpc_calls.py SERVER PROXY.

PROXY passes /echo.Echo/ on, one call of /limited.Echo/, and of /keyed.Echo/ those with a key.
"""

import sys
import threading
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    def __init__(self):
        self.given_up = threading.Event()

    def service(self, details):
        kinds = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Down": grpc.unary_stream_rpc_method_handler(self.down),
            "Up": grpc.stream_unary_rpc_method_handler(self.up),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
            "Wait": grpc.unary_unary_rpc_method_handler(self.wait),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
        }
        return kinds.get(details.method.rsplit("/", 1)[1])

    def unary(self, request, context):
        said = dict(context.invocation_metadata())
        context.set_trailing_metadata((("x-said", said.get("x-say", "")), ("x-bin", b"\x00\xff")))
        return request

    def down(self, request, context):
        for n in range(int(request)):
            yield b"%d" % n

    def up(self, requests, context):
        return b"+".join(requests)

    def both(self, requests, context):
        for request in requests:
            yield request

    def wait(self, request, context):
        assert context.add_callback(self.given_up.set)
        self.given_up.wait(20)
        return request

    def fail(self, request, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "on purpose: 100 % é")


def refused(call, *arguments, **more):
    try:
        call(*arguments, **more)
    except grpc.RpcError as error:
        return error
    raise AssertionError("it was not refused")


def main():
    server_address, proxy = sys.argv[1:]
    server = grpc.server(futures.ThreadPoolExecutor(8))
    echo = Echo()
    server.add_generic_rpc_handlers((echo,))
    assert server.add_insecure_port(server_address)
    server.start()
    channel = grpc.insecure_channel(proxy, options=[("grpc.enable_http_proxy", 0)])

    unary = channel.unary_unary("/echo.Echo/Unary")
    answer, call = unary.with_call(b"hello", metadata=(("x-say", "this"),), timeout=20)
    trailing = {item.key: item.value for item in call.trailing_metadata()}
    assert answer == b"hello" and trailing["x-said"] == "this" and trailing["x-bin"] == b"\x00\xff", (answer, trailing)
    large = b"x" * 3_000_000
    assert unary(large, timeout=20) == large
    assert [unary.future(b"%d" % n, timeout=20) for n in range(300)][-1].result() == b"299"
    assert list(channel.unary_stream("/echo.Echo/Down")(b"500", timeout=20)) == [b"%d" % n for n in range(500)]
    assert channel.stream_unary("/echo.Echo/Up")(iter([b"a", b"b", b"c"]), timeout=20) == b"a+b+c"

    # Each piece is sent only when the one before has come back.
    back = threading.Semaphore(1)

    def pieces():
        for n in range(100):
            assert back.acquire(timeout=20)
            yield b"%d" % n

    came = []
    for piece in channel.stream_stream("/echo.Echo/Both")(pieces(), timeout=20):
        came.append(piece)
        back.release()
    assert came == [b"%d" % n for n in range(100)], came

    failed = refused(channel.unary_unary("/echo.Echo/Fail"), b"", timeout=20)
    assert failed.code() is grpc.StatusCode.FAILED_PRECONDITION and failed.details() == "on purpose: 100 % é", failed
    late = refused(channel.unary_unary("/echo.Echo/Wait"), b"", timeout=0.5)
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED, late
    assert echo.given_up.wait(20), "the server waits for nobody"

    limited = channel.unary_unary("/limited.Echo/Unary")
    assert limited(b"one", timeout=20) == b"one"
    error = refused(limited, b"two", timeout=20)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, error
    assert error.details() == "API rate limit exceeded", error
    said = {item.key: item.value for item in tuple(error.initial_metadata() or ()) + tuple(error.trailing_metadata() or ())}
    assert int(said["retry-after"]) > 0 and said["ratelimit-remaining"] == "0", said

    keyed = channel.unary_unary("/keyed.Echo/Unary")
    assert refused(keyed, b"", timeout=20).code() is grpc.StatusCode.UNAUTHENTICATED
    assert keyed(b"in", metadata=(("apikey", "joe-key"),), timeout=20) == b"in"
    lost = refused(channel.unary_unary("/nowhere.Echo/Unary"), b"", timeout=20)
    assert lost.code() is grpc.StatusCode.UNIMPLEMENTED, lost
    channel.close()
    server.stop(None)
    print("grpcio: all calls went as they should")


main()
