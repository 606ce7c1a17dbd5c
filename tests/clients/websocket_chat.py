"""A client and a server of the websockets package, with a proxy between them: websocket_chat.py SERVER PROXY.

PROXY wants a key, and lets two connections in.
"""

import sys
import threading

from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import serve


def echo(connection):
    connection.send(connection.request.headers["X-Consumer-Username"])
    for message in connection:
        if message == "close":
            connection.close(4001, "as asked")
            return
        connection.send(message)


def status(url, **more):
    try:
        connect(url, **more)
    except InvalidStatus as error:
        return error.response.status_code
    raise AssertionError("it was let in")


def main():
    (host, port), url = sys.argv[1].split(":"), f"ws://{sys.argv[2]}/chat"
    with serve(echo, host, int(port), max_size=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        key = {"additional_headers": {"apikey": "joe-key"}, "proxy": None, "max_size": None}
        assert status(url, proxy=None) == 401
        with connect(url, **key) as client:
            assert client.recv(20) == "Joe"
            for message in ["hello", "é" * 1000, b"\x00\xff" * 1_000_000, ""]:
                client.send(message)
                assert client.recv(20) == message
            assert client.ping().wait(20)
            # Many messages are under way before the first is read.
            for n in range(1000):
                client.send(str(n))
            assert [client.recv(20) for _ in range(1000)] == [str(n) for n in range(1000)]
            with connect(url, **key) as second:
                assert second.recv(20) == "Joe"
                second.send("close")
                try:
                    second.recv(20)
                    raise AssertionError("it was not closed")
                except Exception as error:
                    assert (error.rcvd.code, error.rcvd.reason) == (4001, "as asked"), error
            assert status(url, **key) == 429
            client.send("still here")
            assert client.recv(20) == "still here"
        try:
            client.recv(1)
            raise AssertionError("it is not closed")
        except ConnectionClosedOK:
            pass
        server.shutdown()
    print("websockets: the chat went as it should")


main()
