"""The published vectors of the engine, read by both verifiers."""

from __future__ import annotations

import pytest
from referencekit import accepts
from referencevectors import FILES, FOLDER, read, steps

from zkcredit import _native
from zkcredit.errors import ZkCreditError
from zkcredit.reference import load


def test_no_file_is_left_out() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_circuits(name: str) -> None:
    data, _, _ = read(name)
    own = load(data["circuit"], data["parameters"])
    other = _native.builtin_circuit(data["circuit"], data["parameters"])
    assert own.text().splitlines() == other.describe().splitlines() == data["canonical text"]
    assert own.digest.hex() == other.digest.hex() == data["digest"]
    assert own.proof_length == other.proof_length == data["proof length"]


@pytest.mark.parametrize("name", FILES)
def test_accepted(name: str) -> None:
    data, accepted, _ = read(name)
    for title, case in accepted.items():
        case.native()
        case.reference()
        assert steps(case) == data["accepted"][title]["steps"]


@pytest.mark.parametrize("name", FILES)
def test_refused(name: str) -> None:
    data, accepted, refused = read(name)
    assert len(refused) > 20
    for item, case in zip(data["refused"], refused, strict=True):
        assert case.base in accepted
        assert not accepts(case.native), case.name
        with pytest.raises(ZkCreditError) as caught:
            case.reference()
        assert (caught.value.code, str(caught.value)) == (item["code"], item["reason"]), case.name
