from __future__ import annotations

from collections.abc import Iterator

import pytest
from credentialkit import Scene


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def test_age_and_country(scene: Scene) -> None:
    policy = scene.policy(["birth_date <= today - 18y"], ["country"])
    found = scene.check(policy)
    assert found.values == {"identity.country": "AT"}
    assert found.issuers == {"identity": scene.registrar.id}
    assert (found.pseudonym, found.commitment) == (b"", b"")


@pytest.mark.parametrize(
    "clause",
    [
        "birth_date <= 2001-05-31",
        "birth_date >= 2001-05-31",
        "birth_date == 2001-05-31",
        "birth_date != 2001-05-30",
        "verification_level > 2",
        "country in ['AT']",
        "country in ['AT', 'DE']",
        "country in ['FR', 'DE', 'AT']",
        "country in ['FR', 'AT', 'DE', 'BE']",
        "country not in ['FR']",
        "country not in ['FR', 'DE']",
        "country not in ['FR', 'DE', 'BE']",
        "family_name == 'Muster'",
        "family_name != 'Smith'",
        "given_names != family_name",
        "2 * verification_level - 1 == 5",
        "birth_date < today",
    ],
)
def test_true_clauses(scene: Scene, clause: str) -> None:
    scene.check(scene.policy([clause]))
