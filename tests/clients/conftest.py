"""The httpbin that the tests of requests ask is the one that HTTPBIN names; what becomes of each test goes to the file OUTCOMES."""

import os
import types

import pytest


@pytest.fixture(scope="session")
def httpbin():
    return types.SimpleNamespace(url=os.environ["HTTPBIN"])


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        expected = " as expected" if hasattr(report, "wasxfail") else ""
        with open(os.environ["OUTCOMES"], "a", encoding="utf-8") as outcomes:
            outcomes.write(f"{report.nodeid}\t{report.outcome}{expected}\n")
