from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import ResumeToken
from koophone_async.errors import InvalidRequest

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@given(
    st.text(),
    st.text(),
    st.dictionaries(st.text(), st.text()),
    st.datetimes(timezones=st.just(UTC)),
)
def test_a_token_parses_back_to_itself(
    operation: str, handle: str, jobs: dict[str, str], at: datetime
) -> None:
    resume_token = ResumeToken(operation, handle, jobs, at)

    parsed = ResumeToken.parse(str(resume_token))

    assert parsed == resume_token
    assert list(parsed.jobs) == list(jobs)


def test_a_token_for_a_hundred_jobs_is_short_and_url_safe() -> None:
    jobs = {f"{i:032x}": f"instance-{i:04d}" for i in range(100)}

    text = str(ResumeToken("koophone.commands.run", "task", jobs, AT))

    assert len(text) < 1500
    assert text.replace("-", "").replace("_", "").replace(".", "").isalnum()


def test_the_start_time_survives_any_time_zone() -> None:
    at = AT.astimezone(timezone(timedelta(hours=8)))

    assert ResumeToken.parse(str(ResumeToken("o", "h", {}, at))).started_at == AT


def test_the_first_start_time_counts() -> None:
    later = AT + timedelta(minutes=1)
    resume_token = ResumeToken("o", "h", {})

    assert resume_token.age(later) == 0
    assert resume_token.since(AT).since(later).age(later) == 60
    assert resume_token.since(later).age(AT) == 0


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "kp2.abc",
        "kp1.",
        "kp1.!!!",
        "kp1.é",
        "kp1." + base64.urlsafe_b64encode(b"not zlib").decode(),
        "kp1." + base64.urlsafe_b64encode(zlib.compress(b"{}")).decode(),
        "kp1." + base64.urlsafe_b64encode(zlib.compress(b'["o","h",{},1e30]')).decode(),
        "kp1." + base64.urlsafe_b64encode(zlib.compress(b'["o","h",{},9223372036854775807]')).decode(),
        "kp1." + base64.urlsafe_b64encode(zlib.compress(b" " * 10_000_000)).decode(),
        str(ResumeToken("o", "h", {"job": "phone"}, AT))[:-4],
        f"{ResumeToken('o', 'h', {'job': 'phone'}, AT)}!!!!",
    ],
)
def test_a_damaged_token_is_an_invalid_request(broken: str) -> None:
    problem = "is damaged or incomplete" if broken.startswith("kp1.") else "does not start with 'kp1.'"

    with pytest.raises(InvalidRequest, match=f"^resume_token: {problem}$"):
        ResumeToken.parse(broken)
