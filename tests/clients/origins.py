"""Servers that others wrote, each to stand behind a proxy and say how it read what reached it.

    origins.py NAME PORT LOG

Each writes a line into LOG for each request that it sees, `ID METHOD TARGET`, with the X-Request-Id that it came with or `-`,
and answers with the same in its body. nginx and HAProxy are started with a configuration that makes them do so.
"""

import asyncio
import os
import sys


class Log:
    def __init__(self, path):
        self.file = open(path, "a", encoding="latin-1", buffering=1)

    def seen(self, request_id, method, target):
        line = f"{request_id or '-'} {method} {target}"
        self.file.write(line + "\n")
        return line.encode("latin-1", "replace")


def wsgi(log):
    def app(environ, start_response):
        body = environ["wsgi.input"]
        while body.read(65536):
            pass
        target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"]
        said = log.seen(environ.get("HTTP_X_REQUEST_ID"), environ["REQUEST_METHOD"], target)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
        return [said]

    return app


def answer(said):
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)


async def with_h11(log, reader, writer):
    import h11

    connection = h11.Connection(h11.SERVER)
    request = None
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if connection.they_are_waiting_for_100_continue:
                    writer.write(connection.send(h11.InformationalResponse(status_code=100, headers=[])))
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.EndOfMessage):
                headers = dict(request.headers)
                said = log.seen(headers.get(b"x-request-id", b"").decode(), request.method.decode(), request.target.decode("latin-1"))
                writer.write(connection.send(h11.Response(status_code=200, headers=[("Content-Length", str(len(said)))])))
                if request.method != b"HEAD":
                    writer.write(connection.send(h11.Data(data=said)))
                writer.write(connection.send(h11.EndOfMessage()))
                if connection.our_state is h11.MUST_CLOSE:
                    break
                connection.start_next_cycle()
            elif isinstance(event, h11.ConnectionClosed):
                break
    except (h11.ProtocolError, ConnectionError):
        pass
    writer.close()


class Parsed:
    """What httptools calls back with."""

    def __init__(self, log, writer):
        self.log, self.writer = log, writer

    def on_message_begin(self):
        self.id, self.url = "", b""

    def on_url(self, url):
        self.url += url

    def on_header(self, name, value):
        if name.lower() == b"x-request-id":
            self.id = value.decode("latin-1")

    def on_message_complete(self):
        method = self.parser.get_method().decode()
        said = self.log.seen(self.id, method, self.url.decode("latin-1"))
        self.writer.write(answer(said) if method != "HEAD" else answer(said)[: -len(said)])


async def with_httptools(log, reader, writer):
    import httptools

    parsed = Parsed(log, writer)
    parsed.parser = httptools.HttpRequestParser(parsed)
    try:
        while piece := await reader.read(65536):
            parsed.parser.feed_data(piece)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade, ConnectionError):
        pass
    writer.close()


async def listen(serve, port):
    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        await server.serve_forever()


NGINX = """
daemon off; worker_processes 1; error_log /dev/null; pid {log}.pid;
events {{ worker_connections 1024; }}
http {{
  log_format seen '$http_x_request_id $request_method $request_uri $status $connection_requests $request_length "$request"';
  access_log {log} seen;
  client_body_temp_path {log}.body; proxy_temp_path {log}.p; fastcgi_temp_path {log}.f; uwsgi_temp_path {log}.u; scgi_temp_path {log}.s;
  keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 "$http_x_request_id $request_method $request_uri"; }}
  }}
}}
"""

HAPROXY = """
global
  log stdout format raw local0
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend seen
  bind 127.0.0.1:{port}
  log global
  http-request set-var(txn.id) req.hdr(x-request-id)
  log-format "%[var(txn.id)] %HM %HU %U"
  option dontlognull
  option http-buffer-request
  http-request return status 200 content-type text/plain lf-string "%[var(txn.id)] %HM %HU"
"""


def main(name, port, log):
    port = int(port)
    match name:
        case "nginx":
            with open(f"{log}.conf", "w", encoding="ascii") as out:
                out.write(NGINX.format(port=port, log=log))
            os.execvp("nginx", ["nginx", "-c", f"{log}.conf"])
        case "haproxy":
            with open(f"{log}.cfg", "w", encoding="ascii") as out:
                out.write(HAPROXY.format(port=port))
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
            os.execvp("haproxy", ["haproxy", "-f", f"{log}.cfg"])
        case "gunicorn":
            from gunicorn.app.base import BaseApplication

            class App(BaseApplication):
                def load_config(self):
                    for key, value in {"bind": f"127.0.0.1:{port}", "worker_class": "gthread", "threads": 8, "keepalive": 60}.items():
                        self.cfg.set(key, value)

                def load(self):
                    return wsgi(Log(log))

            App().run()
        case "waitress":
            import waitress

            waitress.serve(wsgi(Log(log)), listen=f"127.0.0.1:{port}", threads=8)
        case "h11" | "httptools":
            serve = {"h11": with_h11, "httptools": with_httptools}[name]
            shared = Log(log)
            asyncio.run(listen(lambda reader, writer: serve(shared, reader, writer), port))
        case _:
            sys.exit(f"{name}: no such origin")


if __name__ == "__main__":
    main(*sys.argv[1:])
