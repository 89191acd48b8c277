"""docs/coverage.md is up to date."""

from __future__ import annotations

import pytest

from tests.interop.coverage import PAGE, SERVICES, Proof, page, rows
from tests.interop.differences import ONLY_OURS

# The vendor's signer takes the time in a way that Python 3.12 and newer warn of.
pytestmark = pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utcnow:DeprecationWarning:huaweicloudsdkcore"
)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "generate it: python -m tests.interop.coverage"


def test_the_page_has_every_service() -> None:
    assert {row.service for row in rows()} == SERVICES.keys()


def test_the_vendors_client_drives_all_operations_it_has() -> None:
    own = [row for row in rows() if row.service == "cph" and row.proof is not Proof.DRIVEN]

    assert {row.name for row in own} == ONLY_OURS
