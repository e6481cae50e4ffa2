"""The published vectors of the engine, read by both verifiers."""

from __future__ import annotations

import pytest
from referencekit import R
from referencevectors import FILES, FOLDER, prove, read, steps

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
        with pytest.raises(ZkCreditError) as other:
            case.native()
        with pytest.raises(ZkCreditError) as caught:
            case.reference()
        assert (caught.value.code, str(caught.value)) == (item["code"], item["reason"]), case.name
        assert other.value.code == item["code"], case.name


@pytest.mark.parametrize("name", FILES)
def test_proofs_are_made_again_to_the_byte(name: str) -> None:
    """From the secrets and masks that the file names; responses are c·x + a."""
    data, accepted, _ = read(name)
    case, knew = prove(data["circuit"], name, FILES[name][1])
    assert case == accepted[name]
    item = data["accepted"][name]
    assert item["prover"] == knew
    challenge = int(item["steps"]["challenge"], 16)
    for response, value in item["steps"]["responses"].items():
        x, a = (int(item["prover"][part][response], 16) for part in ("secrets", "masks"))
        assert int(value, 16) == (challenge * x + a) % R
