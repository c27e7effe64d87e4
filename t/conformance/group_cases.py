"""Shared by the Python clients' cases: a program that runs them.

    PROGRAM list          NAME WORDS of each case, one per line
    PROGRAM NAME          run that case; an exception is a failure

A case is a function case_NAME; its docstring has its words.
"""
import os
import sys
import time
import uuid

BROKER = os.environ["broker_tcp"]
PATIENCE = 30


def name(prefix):
    """A name that no other case uses."""
    return "%s-%s" % (prefix, uuid.uuid4().hex[:8])


def until(test, step=None):
    """Call step until the test succeeds; returns the result of the test."""
    end = time.time() + PATIENCE
    while True:
        if step:
            step()
        else:
            time.sleep(0.05)
        got = test()
        if got:
            return got
        assert time.time() < end, "waited in vain"


def run(cases):
    found = {k[5:]: f for k, f in cases.items() if k.startswith("case_")}
    if sys.argv[1] == "list":
        for k, f in found.items():
            print(k, " ".join(f.__doc__.split()))
    else:
        found[sys.argv[1]]()
