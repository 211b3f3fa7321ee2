"""What every provider, and every wrapper of one, must keep. Subclass `Contract` and give it the fixtures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from batchrun.model import Batch
from batchrun.providers.base import Provider, Rejected, TryLater

Submit = Callable[[int], Batch]


class Contract:
    @pytest.fixture
    def provider(self) -> Provider:
        """A provider whose service holds no batches, and runs one as long as `end_all` is not called."""
        raise NotImplementedError

    @pytest.fixture
    def end_all(self) -> Callable[[], None]:
        """What makes every batch of the service end."""
        raise NotImplementedError

    @pytest.fixture
    def delete(self) -> Callable[[str], None]:
        """What deletes an ended batch behind the provider's back."""
        raise NotImplementedError

    @pytest.fixture
    def submit(self, provider: Provider, tmp_path: Path) -> Submit:
        def submit(count: int) -> Batch:
            params = {
                "model": "claude-haiku-4-5",
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "Hi"}],
            }
            lines = [json.dumps({"custom_id": f"r-{n}", "params": params}) for n in range(count)]
            body = tmp_path / "shard.jsonl"
            body.write_text("".join(f"{line}\n" for line in lines))
            return provider.create(body, requests=count, betas=(), api_version="2023-06-01")

        return submit

    def test_the_baseline_of_an_empty_service(self, provider: Provider) -> None:
        baseline = provider.newest()
        assert (baseline.batch_id, baseline.created_at) == (None, None)
        assert baseline.server_time.tzinfo is not None
        assert baseline.credential == provider.newest().credential

    def test_a_created_batch_is_the_next_baseline(self, provider: Provider, submit: Submit) -> None:
        batch = submit(3)
        assert batch.request_counts.total == 3
        baseline = provider.newest()
        assert (baseline.batch_id, baseline.created_at) == (batch.id, batch.created_at)

    def test_what_is_newer_than_a_baseline(self, provider: Provider, submit: Submit) -> None:
        nothing = provider.newest()
        first = submit(1)
        one = provider.newest()
        second, third = submit(1), submit(1)
        assert [b.id for b in provider.since(nothing)] == [third.id, second.id, first.id]
        assert [b.id for b in provider.since(one)] == [third.id, second.id]
        assert list(provider.since(provider.newest())) == []

    def test_what_is_newer_than_a_baseline_that_was_deleted(
        self, provider: Provider, submit: Submit, end_all: Callable[[], None], delete: Callable[[str], None]
    ) -> None:
        older, deleted = submit(1), submit(1)
        baseline = provider.newest()
        newer = submit(1)
        end_all()
        delete(deleted.id)
        assert [b.id for b in provider.since(baseline)] == [newer.id]
        assert older.id != newer.id

    def test_retrieve(self, provider: Provider, submit: Submit, end_all: Callable[[], None]) -> None:
        batch = submit(2)
        assert not provider.retrieve(batch.id).batch.ended
        end_all()
        polled = provider.retrieve(batch.id)
        assert polled.batch.ended
        assert polled.batch.request_counts.succeeded == 2

    def test_a_batch_that_cannot_be_seen_may_show_later(self, provider: Provider) -> None:
        with pytest.raises(TryLater):
            provider.retrieve("msgbatch_unknown")
        with pytest.raises(TryLater):
            provider.cancel("msgbatch_unknown")

    def test_download(
        self, provider: Provider, submit: Submit, end_all: Callable[[], None], tmp_path: Path
    ) -> None:
        batch, part = submit(5), tmp_path / "results.part"
        with pytest.raises(TryLater):
            provider.download(batch.id, part)
        end_all()
        part.write_text("what an earlier try left\n" * 1000)
        provider.download(batch.id, part)
        ids = [json.loads(line)["custom_id"] for line in part.read_bytes().split(b"\n") if line]
        assert sorted(ids) == [f"r-{n}" for n in range(5)]

    def test_cancel(self, provider: Provider, submit: Submit, end_all: Callable[[], None]) -> None:
        batch = submit(1)
        assert provider.cancel(batch.id).processing_status == "canceling"
        assert provider.cancel(batch.id).processing_status == "canceling"
        end_all()
        with pytest.raises(Rejected):
            provider.cancel(batch.id)

    def test_count_tokens(self, provider: Provider) -> None:
        assert (
            provider.count_tokens(
                {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "Hi"}]}
            )
            > 0
        )
