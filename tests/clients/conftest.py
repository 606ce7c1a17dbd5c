"""The httpbin that the tests of requests ask is the one that HTTPBIN names."""

import os
import types

import pytest


@pytest.fixture(scope="session")
def httpbin():
    return types.SimpleNamespace(url=os.environ["HTTPBIN"])
