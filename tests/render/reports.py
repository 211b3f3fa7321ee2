"""One of each report, with something in every field."""

from __future__ import annotations

from batchrun.cost.amounts import Cause, Estimate, Summary
from batchrun.model import RequestCounts, Usage
from batchrun.reports.job import Need, ShardStatus, StatusReport
from batchrun.reports.plan import ExactSample, History, PlannedShard, PlanReport

SUMMARY = Summary(
    job="ticket-triage",
    output="out/triage.jsonl",
    rows=3000,
    records=3000,
    statuses={"succeeded": 2996, "errored": 3, "expired": 1},
    stop_reasons={"end_turn": 2990, "max_tokens": 4, "refusal": 2},
    problems=(
        Cause("truncated", "", 4, "T-9"),
        Cause("refusal", "bio", 2, "T-77"),
        Cause("schema", "$.label: 'x' is not one of ['question', 'bug', 'incident', 'feature']", 1, "T-5"),
    ),
    errors=(
        Cause("invalid_request_error", "messages.0.content: Field required", 2, "T-17"),
        Cause("invalid_request_error", "Your credit balance is too low.", 1, "T-18", money=True),
    ),
    usage=Usage(1_234_567, 34_000, 0, 20_000, 500_000),
    cost_usd=1.2345,
    unpriced=2,
    searches=3,
    repeated=10,
)

PLAN = PlanReport(
    job="ticket-triage",
    rows=3000,
    requests=2990,
    duplicates=10,
    new=90,
    reused=2900,
    reasons=("request.system was edited", "tickets.csv has rows that were not asked before"),
    shards=(PlannedShard("0003", 90, 1_234_567),),
    estimate=Estimate(
        requests=90,
        input_low=120_000,
        input_high=400_000,
        output_low=1350,
        output_high=27_000,
        cost_low=0.05,
        cost_high=0.34,
        cacheable_low=10_000,
        cacheable_high=30_000,
        cache_saving=0.01,
        cache_premium=0.02,
        open_ended=3,
    ),
    exact=ExactSample(20, 8211),
    history=History(2900, 181_000, 4_500, 0.09),
    samples=1,
    spent_usd=1.0,
    max_cost_usd=5.0,
    warnings=("claude-sonnet-4-5 retires on 2026-11-30",),
)

STATUS = StatusReport(
    job="ticket-triage",
    state="held",
    output="out/triage.jsonl",
    shards=(
        ShardStatus(
            "0001",
            "fetched",
            100_000,
            batch_id="msgbatch_013Zva2CMHLNnXjNJJKqJ2EF",
            processing_status="ended",
            counts=RequestCounts(succeeded=98_900, errored=1_100),
            took=3900.0,
        ),
        ShardStatus(
            "0002",
            "submitted",
            100_000,
            batch_id="msgbatch_013Zva2CMHLNnXjNJJKqJ2EG",
            processing_status="in_progress",
            counts=RequestCounts(processing=100_000),
            age=3900.0,
            ends_in=82_500.0,
        ),
        ShardStatus("0003", "held", 1100, attempt=2, detail="several batches may be ours"),
        ShardStatus("0004", "ended", 20, batch_id="msgbatch_1", kept_for=4 * 86400.0, ends_in=-1.0),
        ShardStatus("0005", "planned", 20),
    ),
    needs=(
        Need(
            "shard 0003 may have been created, and two batches look like it",
            (
                "batchrun adopt triage.yaml --shard 0003 --batch msgbatch_A",
                "batchrun resubmit triage.yaml --shard 0003 --accept-duplicate-cost",
            ),
        ),
    ),
    spent_usd=1.2,
    at_stake_usd=3.0,
    max_cost_usd=5.0,
    next="batchrun run triage.yaml",
)
