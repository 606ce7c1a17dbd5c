"""What schemathesis takes for a failure, and is none: what a JSON Schema cannot say of a body that fits it. And what it must
not do: make the gateway speak to other machines, or take the configuration away that all of it is tried on."""

import json
import os
import re
import zlib

import schemathesis
from schemathesis.openapi.checks import IgnoredAuth, RejectedPositiveData

# Kong's codes: fields are wrong, the id is another's, a reference leads nowhere, a text is no configuration.
VIOLATION, TAKEN, FOREIGN, DECLARATIVE = 2, 3, 4, 14

# Rules on several fields at once, and on texts that a parser of their own reads.
RULES = re.compile(
    "|".join(
        [
            # What is for an entity's life.
            r"cannot be changed",
            # A name that would be taken for an id.
            r"must not be a UUID",
            # A mask came back, of a secret that was shown so.
            r"this mask stands for a secret",
            # What Kong has and is not here yet.
            r"is not available yet|cannot be checked here",
            # PEM texts, the files that hold them, and what the certificates in them are for.
            r"^it is empty|^cannot read the file|no PEM text|there is no certificate in it|there is no private key in it",
            r"the key is encrypted|^there are \d+ certificates in it|the certificate is not for|is served by the certificate",
            # Keys that sign.
            r"a key begins with `whsec_`|a key has 24 to 64 bytes|an Ed25519 key has|is no base64",
            # Addresses, hosts and urls.
            r"is no (target|host|name of a host)|^invalid (hostname|wildcard|url)|is neither an address nor a network",
            r"must not have a port|must not be an IP|the url of a service has no place for|`url` says|port 0 is nobody's",
            # Paths and regular expressions.
            r"non-normalized path|invalid regex|must not have (empty|`\.` or `\.\.`) segments|invalid url-encoded value",
            r"a path has no place for",
            # Headers.
            r"bad header name|cannot contain 'host' header|length must be at least 1",
            # What goes with the protocols of a route or a service.
            r"mutually exclusive|cannot set '|'snis' can only be set|a service of gRPC has no path|is for https and grpcs",
            r"nothing is verified",
            # What is hashed, and what if that is not there; an upstream that is called like an address.
            r"^needs `hash|is never used|is no name of one|cannot be the host of a service",
            # Events, by the source that has them, and what is done with them together.
            r"there is no source |has no event |no event of this hook has a field|has no field|is a table|the field is named twice",
            r"unknown condition|a condition that says|too short to gather|swallows what `digest`|`format` is for the handler",
        ]
    )
)


def messages(fields):
    """Every message of a tree of fields."""
    if isinstance(fields, str):
        yield fields
    elif isinstance(fields, dict):
        for value in fields.values():
            yield from messages(value)
    elif isinstance(fields, list):
        for value in fields:
            yield from messages(value)


def cannot_be_said(case, answer):
    if case.path.endswith("/validate"):
        # A refusal is what was asked for.
        return True
    if answer.get("code") in (TAKEN, FOREIGN, DECLARATIVE) or answer["message"].startswith("no healthchecker found for "):
        return True
    if answer.get("code") != VIOLATION:
        return False
    fields = answer.get("fields")
    # What the options of a plugin or a handler must be together is told of one of them, or of the whole.
    if "plugins" in case.path:
        fields = {name: value for name, value in fields.items() if name not in ("@entity", "config")}
    if "event-hooks" in case.path:
        fields = {name: value for name, value in fields.items() if name != "config"}
    if "jwt" in case.path:
        # The algorithm says which of them there must be, and what it is.
        fields = {name: value for name, value in fields.items() if name not in ("secret", "rsa_public_key")}
    told = list(messages(fields))
    # What must be said depends on what there is.
    left = {"PUT": "required field missing", "PATCH": ("required field missing", "must set one of ")}
    if case.method in left:
        told = [message for message in told if not message.startswith(left[case.method])]
    return all(RULES.search(message) for message in told)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if isinstance(failure, IgnoredAuth):
        # Too many wrong tokens: it was not let in, and is told when to come again.
        return "`429 " not in failure.message
    if isinstance(failure, RejectedPositiveData) and response.status_code == 400:
        return not cannot_be_said(case, response.json())
    return True


@schemathesis.serializer("application/toml")
def toml(ctx, value):
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def at_home(value, name=None):
    """The same, with every place to which the gateway might speak on this machine."""
    if isinstance(value, dict):
        return {name: at_home(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [at_home(inner, name) for inner in value]
    if not isinstance(value, str):
        return value
    if name == "url":
        return re.sub(r"^(\w+://)[^/?#]*", r"\g<1>127.0.0.1:9", value)
    if name == "host" and value:
        return "127.0.0.1"
    if name == "target" and re.fullmatch(r"[\w.-]+(:\d+)?", value):
        return f"127.0.0.1:{zlib.crc32(value.encode()) % 1000 + 1}"
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    # What becomes the configuration is what it was, with a comment: the rest of the run needs what is in it.
    if case.operation.label == "POST /config" and isinstance(case.body, str) and case.body:
        with open(os.environ["CONFIGURATION"], encoding="utf-8") as file:
            case.body = f"{file.read()}\n# {json.dumps(case.body)}\n"
        return
    body = at_home(case.body)
    if body != case.body:
        case.body = body
