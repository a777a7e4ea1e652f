"""The table here is that of docs/retries.md."""

import re
from pathlib import Path

from concord.error.v1 import error_pb2
from concord_client import ADVICE

PAGE = Path(__file__).resolve().parents[3] / "docs" / "retries.md"


def test_each_reason_has_the_advice_of_the_documentation():
    rows = re.findall(r"^\| ([A-Z_]+) \| [A-Z_, or]+ \| ([a-z ]+) \| ([a-z]+) \|$", PAGE.read_text(), re.MULTILINE)
    assert {reason: (outcome, retry) for reason, outcome, retry in rows} == ADVICE


def test_each_reason_of_the_contract_has_an_advice():
    named = {name.removeprefix("ERROR_REASON_") for name in error_pb2.ErrorReason.keys()} - {"UNSPECIFIED"}
    assert named == set(ADVICE)
