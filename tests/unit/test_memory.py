"""What a wallet remembers of verifiers' questions, and when it says so."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from credentialkit import Scene
from kit import DAY_MS, refused, seed

from zkcredit._native import BlsKey
from zkcredit.credentials.builtin import IDENTITY
from zkcredit.credentials.lists import list_schema
from zkcredit.credentials.schema import FieldType
from zkcredit.policies.memory import CLAUSES_KEPT, UNREMARKED, Memory, Told
from zkcredit.policies.present import plan
from zkcredit.policies.request import PresentationRequest, examine_request, make_request
from zkcredit.wallet.state import WalletState, decode_state, encode_state

DOCUMENTS = list_schema("documents", "Documents", FieldType.TEXT)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    scene = Scene()
    scene.lister.publish_list(DOCUMENTS, [1, 2], gaps=True)
    yield scene
    scene.close()


class Holder:
    """A holder that answers whatever the shop asks."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.told: list[Told] = []
        self.memory = Memory(self.told)

    def request(self, *clauses: str, reveal: tuple[str, ...] = ()) -> PresentationRequest:
        tables = self.scene.list_table("documents")
        aliases = ("identity", "income", "history")
        policy = self.scene.policy(clauses, reveal, credentials=aliases, tables=tables)
        return self.scene.request(policy)

    def warned(self, request: PresentationRequest) -> list[str]:
        scene = self.scene
        found = plan(scene.ledger, request, scene.holdings, scene.clock(), self.memory)
        return found.warnings

    def answer(self, request: PresentationRequest) -> list[str]:
        """What the holder is warned of before the answer."""
        warnings = self.warned(request)
        asked = examine_request(self.scene.registry, request, self.scene.clock())
        self.memory.answered(asked)
        return warnings

    def tell(self, *clauses: str, reveal: tuple[str, ...] = ()) -> list[str]:
        return self.answer(self.request(*clauses, reveal=reveal))


@pytest.fixture
def holder(scene: Scene) -> Holder:
    return Holder(scene)


def test_a_search_for_a_birth_date(holder: Holder) -> None:
    """Each answer halves what is left: from the fourth on the holder reads what it comes to."""
    assert holder.tell("birth_date <= 2008-01-01") == []
    assert holder.tell("birth_date >= 1990-01-01") == []
    assert holder.tell("birth_date <= 2003-06-30") == []
    (said,) = holder.tell("birth_date > 2000-12-31")
    assert said == (
        "this is question 4 of 'Wine shop' about your date of birth: with this answer it knows "
        "that it lies from 2001-01-01 to 2003-06-30"
    )
    request = holder.request("birth_date < 2001-06-01", "birth_date != 2001-05-30")
    said = (
        "this is question 6 of 'Wine shop' about your date of birth: with this answer it knows "
        "that it lies from 2001-01-01 to 2001-05-31"
    )
    assert holder.warned(request) == [said]
    consent = plan(
        holder.scene.ledger, request, holder.scene.holdings, holder.scene.clock(), holder.memory
    )
    assert f"Mind: {said}." in consent.text


def test_a_customer_who_comes_back(holder: Holder) -> None:
    """What is known already is not counted, though the day of the question moves on."""
    scene, start = holder.scene, holder.scene.clock.now_ms
    for _ in range(8):
        assert holder.tell("birth_date <= today - 18y", "country in ['AT', 'DE']") == []
        assert holder.tell("document_hash not in documents", "family_name != 'Smith'") == []
        scene.clock.forward(DAY_MS)
    scene.clock.now_ms = start
    assert {told.field: told.questions for told in holder.told} == {
        "birth_date": 1, "country": 1, "document_hash": 1, "family_name": 1
    }  # fmt: skip


def test_texts_sets_and_lists_are_counted_word_for_word(holder: Holder) -> None:
    names = [f"family_name != 'Smith{number}'" for number in range(4)]
    found = [holder.tell(clause) for clause in names]
    assert found == [[], [], [], ["this is question 4 of 'Wine shop' about your family name"]]
    countries = ["AT", "DE", "FR", "IT"]
    found = [holder.tell(f"country in ['AT', '{other}']") for other in countries]
    assert found[3] == ["this is question 4 of 'Wine shop' about your country"]


def test_sums_of_two_fields(holder: Holder) -> None:
    """No bound of either follows: they are counted for both."""
    found = [holder.tell(f"periods - on_time_periods <= {n}") for n in (4, 5, 6, 7)]
    assert [len(warnings) for warnings in found] == [0, 0, 0, 2]
    assert all("knows" not in warning for warning in found[3])


@pytest.mark.parametrize(
    ("clause", "ends"),
    [
        ("income >= 1000", (100_000, None)),
        ("2 * income >= 3000.01", (150_001, None)),
        ("income < 9000", (None, 899_999)),
        ("3 * income <= 7500.01", (None, 250_000)),
        ("income == 2500", (250_000, 250_000)),
        ("0 - income <= 0 - 1000", (100_000, None)),
    ],
)
def test_bounds(holder: Holder, clause: str, ends: tuple[int | None, int | None]) -> None:
    holder.tell(clause)
    (told,) = holder.told
    low, high = holder.scene.income.schema.field("income").bounds()
    expected = (low if ends[0] is None else ends[0], high if ends[1] is None else ends[1])
    assert (told.low, told.high) == expected
    assert told.questions == 1


def test_what_is_known_exactly_is_asked_no_more(holder: Holder) -> None:
    holder.tell("days_late == 31")
    for n in range(6):
        assert holder.tell(f"days_late != {n}", "days_late > 30") == []
    assert [told.questions for told in holder.told] == [1]


def test_another_credential_than_before(holder: Holder) -> None:
    """Bounds that exclude each other are of two credentials: the newer counts."""
    holder.tell("days_late >= 30")
    (told,) = holder.told
    holder.told[0] = msgspec.structs.replace(told, low=500)
    holder.tell("days_late <= 40")
    (told,) = holder.told
    assert (told.low, told.high, told.questions) == (0, 40, 2)


def test_the_same_request_again(holder: Holder) -> None:
    for bound in (2010, 2009, 2008):
        holder.tell(f"birth_date < {bound}-01-01")
    request = holder.request("birth_date < 2007-01-01")
    said = holder.answer(request)
    assert len(said) == 1
    assert holder.warned(request) == []
    before = encode_state(holder.told)
    holder.answer(request)
    assert encode_state(holder.told) == before


def test_silence_is_an_answer(holder: Holder) -> None:
    for day in range(10, 14):
        request = holder.request(f"birth_date < 1990-01-{day}")
        for _ in range(2):
            with refused("clause-fails"):
                holder.warned(request)
    (told,) = holder.told
    assert (told.questions, told.high) == (4, IDENTITY.field("birth_date").bounds()[1])
    assert "question 5 of 'Wine shop'" in holder.tell("birth_date >= 1995-01-01")[0]


def test_only_looking_changes_nothing(holder: Holder) -> None:
    for bound in range(1990, 1999):
        assert holder.warned(holder.request(f"birth_date > {bound}-01-01")) == []
    assert holder.told == []
    with refused("no-credential"):
        plan(holder.scene.ledger, holder.request(), [], holder.scene.clock(), holder.memory)
    assert holder.told == []


def test_what_was_shown_is_no_search(holder: Holder) -> None:
    for number in range(6):
        assert holder.tell(f"birth_date > 1990-01-0{number + 1}", reveal=("birth_date",)) == []
    assert holder.told == []


def test_each_verifier_by_itself(holder: Holder) -> None:
    scene = holder.scene
    for number in range(UNREMARKED):
        holder.tell(f"birth_date < {2010 - number}-01-01")
    key = BlsKey.derive(seed("other shop"), b"merchant")
    other = scene.register_shop(key, "Other shop")
    policy = scene.policy(["birth_date < 2003-01-01"])
    request = make_request(scene.registry, key, other, policy, now_ms=scene.clock())
    assert holder.answer(request) == []
    assert {told.verifier_id for told in holder.told} == {scene.shop_id, other}
    assert len(holder.tell("birth_date < 2003-01-01")) == 1


def test_memory_is_bounded(holder: Holder) -> None:
    for start in range(0, CLAUSES_KEPT + 20, 20):
        holder.tell(*(f"family_name != 'S{start + n}'" for n in range(20)))
    (told,) = holder.told
    assert len(told.clauses) == CLAUSES_KEPT
    assert told.questions > CLAUSES_KEPT


def test_it_is_kept_in_the_vault(holder: Holder) -> None:
    holder.tell("birth_date < 2003-01-01", "family_name != 'Smith'")
    state = WalletState(root=bytes(32), told=holder.told)
    assert decode_state(encode_state(state)).told == holder.told
    assert repr(holder.told[0]) == "<Told>"
    older = msgspec.msgpack.decode(encode_state(state))
    del older["told"]
    assert decode_state(msgspec.msgpack.encode(older)).told == []
