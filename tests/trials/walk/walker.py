"""A person, a machine and an API, at random, over one folder: commands and files are all that is known of batchrun.

Every step draws from a random number of its own, so that steps can be left out and the others stay what they are.
After each step the API's books are looked at (`books`). What was done is kept as a script.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import orjson

from tests.trials.forks import Forks, Strike
from tests.trials.walk import books
from tests.trials.walk.place import DAY, Api, Place, put_back
from tests.workbench import Ran

WORDS = ("one", "two", "three", "four", "five", "six", "overload 1", "invalid", "expire")
DONE = (0, 3)
_NAMED = re.compile(r"`name: ([\w-]+)`")
"""The hint that a renamed spec gets."""
RUNS = 16
"""So many commands, the second half of which may wait, bring a job to its end, once nothing goes wrong any more."""

BRIEFLY = {
    "BATCHRUN_RECONCILE_LISTINGS": "2",
    "BATCHRUN_RECONCILE_OVER": "0s",
    "BATCHRUN_RECONCILE_GAP": "0s",
}
"""The operator lets a spec look for a lost batch as briefly as it likes: the simulator lists one at once."""

TROUBLE = (
    "create: {accept_then: reset}",
    "create: {accept_then: 500}",
    "create: {reset: {request: half}}",
    "create: {reset: {reply: half}}",
    "create: {status: 529}",
    "create: {status: 500}",
    "create: {status: 400}",
    "create: {status: 413}",
    "create: {garble: html}",
    "create: {counts: 1}",
    "create: {strangers: {requests: 2, before: 1, after: 1}}",
    "create: {skew: -5}",
    "create: {skew: 600}",
    "list: {lag: 1}",
    "list: {headers: {date: null}}",
    "list: {counts: {processing: 0}}",
    "retrieve: {not_found: true}",
    "retrieve: {stale: true}",
    "retrieve: {counts: {processing: 0}}",
    "cancel: {not_found: true}",
    "results: {not_found: true}",
    "results: {cut: {bytes: half, end: clean}}",
    "results: {lines: shuffled}",
    "results: {lines: duplicated}",
    "results: {lines: foreign}",
    "any: {status: 401}",
    "any: {redirect: self}",
)
"""Lost and odd replies (docs/simulator.md); none that a client waits out by itself."""


class Broken(AssertionError):
    """A promise that was not kept, with the script that led there."""


class Walker:
    def __init__(self, home: Path, forks: tuple[Forks, Forks], seed: int) -> None:
        (home / "job").mkdir(parents=True)
        self.place, self.seed, self._forks = Place(home), seed, forks
        self.api = Api(home / "api")
        self.script: list[str] = []
        self.accepted = 0
        self.elsewhere: set[str] = set()
        """Batches that a copy of the folder asked for."""
        self._backup = home / "backup"
        self._next_id = 0
        self._random = Random(f"{seed}/begin")
        for _ in range(self._random.randint(1, 4)):
            self._add_row()
        self.place.write()

    def close(self) -> None:
        self.api.close()

    def go(self, steps: Iterable[int]) -> None:
        """Take these steps, and come to an end. Raises Broken."""
        try:
            for number in steps:
                self._random = Random(f"{self.seed}/{number}")
                move = self._random.choices([m for m, _ in MOVES], [w for _, w in MOVES])[0]
                move(self)
                self._look()
            self._finish()
        except AssertionError as error:
            told = "\n".join(self.script)
            raise Broken(f"seed {self.seed}: {error}\n{told}") from None

    def _look(self, command: str = "", ran: Ran | None = None) -> None:
        found = list(books.faults(self.place, self.api.folder, self.accepted))
        if ran is not None:
            found += books.faults_of(command, ran)
        if found:
            raise AssertionError("\n".join(found))

    def _say(self, line: str) -> None:
        self.script.append(line)

    # ---- commands

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "ANTHROPIC_API_KEY": self.place.key,
            "ANTHROPIC_BASE_URL": self.api.url,
            **BRIEFLY,
        }

    def _run(self, *args: str, folder: Path | None = None, dying_before: int = 0, other: bool = False) -> Ran:
        """`other`: by the second fork server, as the first one is busy."""
        forks, cwd = self._forks[other], folder or self.place.folder
        where = f" (in {cwd.name})" if folder else ""
        self._say(f"batchrun {shlex.join(args)}{where}")
        if dying_before:
            strike = Strike(dying_before, signals=("KILL",))
            ran, _ = forks.struck(*args, cwd=cwd, env=self._environment(), strike=strike)
            self.script[-1] += f"  # killed before effect {dying_before}"
        else:
            ran = forks.run(*args, cwd=cwd, env=self._environment())
        self._heard(args, ran)
        return ran

    def _heard(self, args: tuple[str, ...], ran: Ran) -> None:
        self.script[-1] += f"  # {ran.code}"
        if ran.code not in DONE and ran.stderr:
            self.script[-1] += f" {ran.stderr.strip().splitlines()[-1][:100]}"
        self._look(args[0], ran)

    def _draw_command(self) -> tuple[str, ...]:
        """What a person or cron may call at any time."""
        spec = self.place.spec
        commands = [("run", spec, "--no-wait")] * 6 + [("tick", spec), ("cancel", spec)]
        commands += [("retry", spec, "--no-wait"), ("status", spec, "--json"), ("plan", spec, "--json")]
        return self._random.choice(commands)

    def command(self) -> None:
        """One command; that a job is done is held against its answer."""
        args = self._draw_command()
        asked = self.place.questions()
        ran = self._run(*args)
        if ran.code in DONE and args[0] in ("run", "retry") and asked == self.place.questions():
            self._check_answer()

    def command_killed(self) -> None:
        self._run(*self._draw_command(), dying_before=self._random.randint(1, 70))

    def _beside(self, stopped_before: int) -> None:
        first, second = self._draw_command(), self._draw_command()

        def meanwhile() -> None:
            self._run(*second, other=True)

        ran = self._forks[0].beside(
            *first,
            cwd=self.place.folder,
            env=self._environment(),
            meanwhile=meanwhile,
            stopped_before=stopped_before,
        )
        how = f"stopped before effect {stopped_before} meanwhile" if stopped_before else "at the same time"
        self._say(f"batchrun {shlex.join(first)}  # {how}")
        self._heard(first, ran)

    def command_suspended(self) -> None:
        self._beside(self._random.randint(1, 60))

    def two_commands_at_once(self) -> None:
        self._beside(0)

    def decide(self) -> None:
        """What `status` says that a person can do."""
        if commands := self._needs():
            self._obey(self._random.choice(commands))

    def _needs(self) -> list[list[str]]:
        ran = self._run("status", self.place.spec, "--json")
        told: Mapping[str, Any] = orjson.loads(ran.stdout) if ran.code != 66 and ran.stdout else {}
        lines = [shlex.split(line) for need in told.get("needs", ()) for line in need["commands"]]
        return [words[1:] for words in lines if words[:1] == ["batchrun"] and words[1] != "batches"]

    def _obey(self, args: list[str]) -> None:
        if any(word.startswith("--accept") for word in args):
            self.accepted += 1
        if args[0] in ("run", "retry", "resubmit"):
            args = [*args, "--no-wait"]
        self._run(*args)

    # ---- the person

    def _add_row(self) -> None:
        self._next_id += 1
        self.place.rows.append((f"r{self._next_id}", self._random.choice(WORDS)))

    def edit_the_rows(self) -> None:
        rows = self.place.rows
        match self._random.choice(["add", "add", "change", "remove", "reverse"]):
            case "add" if len(rows) < 7:
                self._add_row()
            case "remove" if len(rows) > 1:
                del rows[self._random.randrange(len(rows))]
            case "change":
                place = self._random.randrange(len(rows))
                rows[place] = (rows[place][0], self._random.choice(WORDS))
            case _:
                rows.reverse()
        self._say(f"edit {self.place.data}: {rows}")
        self.place.write()

    def edit_the_prompt(self) -> None:
        self.place.prompt = self._random.choice(["Say", "Spell"])
        self._say(f"edit {self.place.spec}: {self.place.prompt}")
        self.place.write()

    def edit_the_limits(self) -> None:
        limits = self.place.limits
        limits["batch_requests"] = self._random.randint(1, 3)
        limits["max_cost_usd"] = self._random.choice([0.0, 5.0, 5.0])
        limits.pop("max_in_flight", None)
        if self._random.random() < 0.5:
            limits["max_in_flight"] = limits["batch_requests"]
        self._say(f"edit {self.place.spec}: {limits}")
        self.place.write()

    def rename(self) -> None:
        """The spec, its data, or both; then run it, and do as its hint says, should it be refused."""
        new = self._random.choice([n for n in ("a", "b", "c") if f"{n}.yaml" != self.place.spec])
        what = self._random.choice(["spec", "spec", "data", "both"])
        old = self.place.spec, self.place.data, self.place.job
        names = {
            "spec": f"{new}.yaml" if what != "data" else "",
            "data": f"{new}.csv" if what != "spec" else "",
        }
        self._say("; ".join(f"mv {was} {now}" for was, now in zip(old, names.values(), strict=False) if now))
        self.place.rename(**names)
        ran = self._run("run", self.place.spec, "--no-wait")
        if ran.code not in (73, 78) or "`name: " not in ran.stderr:
            return
        if self._random.random() < 0.5 and not self.place.name:
            self._name_the_job(old[2])
        else:
            self._say("rename back")
            self.place.rename(spec=old[0] if names["spec"] else "", data=old[1] if names["data"] else "")

    def delete_the_output(self) -> None:
        self._say(f"rm {self.place.output.name}")
        self.place.output.unlink(missing_ok=True)

    def back_up(self) -> None:
        if self.place.runs.is_dir():
            self._say("cp -a .batchrun backup")
            put_back(self.place.runs, self._backup)

    def restore(self) -> None:
        if self._backup.is_dir():
            self._say("rm -r .batchrun; cp -a backup .batchrun")
            put_back(self._backup, self.place.runs)
            self._run_and_let_it_write()

    def restore_the_state(self) -> None:
        """It is refused where it would lose what is known; then the newest comes back."""
        old = self._backup / self.place.job / "state.json"
        if not old.exists() or not self.place.state_file.exists():
            return
        newest = self.place.state_file.read_bytes()
        self._say("cp backup/state.json .batchrun")
        shutil.copy2(old, self.place.state_file)
        if self._run_and_let_it_write().code == 78:
            self._say("put the newest state back")
            self.place.state_file.write_bytes(newest)

    def _run_and_let_it_write(self) -> Ran:
        ran = self._run("run", self.place.spec, "--no-wait")
        if ran.code == 73 and not _NAMED.search(ran.stderr):  # an answer that this state knows nothing of
            self.delete_the_output()
            ran = self._run("run", self.place.spec, "--no-wait")
        return ran

    def copy_the_folder(self) -> None:
        """Both are run: the one that was there first, then its copy."""
        self._all_is_well()
        copy = self.place.home / "copy"
        put_back(self.place.folder, copy)
        self._say("cp -a job copy")
        if self._until_done() and self.place.state_file.exists():
            before = set(books.accepted(self.api.folder))
            for _ in range(RUNS // 2):
                ran = self._run("run", self.place.spec, "--no-wait", folder=copy)
                if ran.code != 75:
                    break
            if ran.code in DONE:
                output = copy / self.place.output.relative_to(self.place.folder)
                self._judge(books.faults_of_answer(self.place, self.api.folder, output))
            self.elsewhere |= set(books.accepted(self.api.folder)) - before
        shutil.rmtree(copy)

    def use_another_key(self) -> None:
        self.place.key = self._random.choice(["sk-ant-api03-" + "other" * 5, Place.key])
        self._say(f"export ANTHROPIC_API_KEY={'another' if self.place.key != Place.key else 'the first'}")

    # ---- the API

    def trouble(self) -> None:
        fault, times = self._random.choice(TROUBLE), self._random.randint(1, 4)
        self._say(f"# API: {fault}, {times} times")
        self.api.misbehave(fault, times)

    def recover(self) -> None:
        self._say("# API: recovers")
        self.api.recover()

    def stranger(self) -> None:
        requests = self._random.randint(1, 2)
        self._say(f"# somebody submits a batch of {requests}")
        self.api.stranger(requests)

    def time_passes(self) -> None:
        seconds = self._random.choice([1.0, 60.0, 3600.0])
        self._say(f"# {seconds:g} s pass at the API")
        self.api.clock.now += seconds

    def batches_take(self) -> None:
        seconds = self._random.choice([0.0, 0.0, 20.0, 3000.0, 2 * DAY])
        self._say(f"# API: batches take {seconds:g} s")
        self.api.take(seconds)

    # ---- the end

    def _all_is_well(self) -> None:
        self.api.recover()
        self.api.take(0.0)
        self.api.clock.now += 2 * DAY
        self.place.key = Place.key
        self.place.limits = {"max_cost_usd": 5.0, "batch_requests": 2}
        self.place.write()
        self._say("# nothing goes wrong any more")

    def _until_done(self) -> bool:
        """Run it, and do what it asks for."""
        for number in range(RUNS):
            ran = self._run("run", self.place.spec, *(["--no-wait"] if number < RUNS // 2 else []))
            match ran.code:
                case 0 | 3:
                    self._check_answer()
                    return True
                case 4 if commands := self._needs():
                    self._obey(self._random.choice(commands))
                case 65:
                    self._run("retry", self.place.spec)
                case 73 | 78 if name := _NAMED.search(ran.stderr):
                    self._name_the_job(name[1])
                case 73:
                    self.delete_the_output()
        return False

    def _name_the_job(self, name: str) -> None:
        self.place.name = name
        self._say(f"edit {self.place.spec}: name: {name}")
        self.place.write()

    def _finish(self) -> None:
        self._all_is_well()
        assert self._until_done(), f"it does not come to an end in {RUNS} commands"

    def _check_answer(self) -> None:
        found = books.faults_of_answer(self.place, self.api.folder, self.place.output, self.elsewhere)
        self._judge(found)

    def _judge(self, found: Iterable[str]) -> None:
        if told := list(found):
            raise AssertionError("\n".join(told))


MOVES: tuple[tuple[Callable[[Walker], None], int], ...] = (
    (Walker.command, 12),
    (Walker.command_killed, 6),
    (Walker.command_suspended, 3),
    (Walker.two_commands_at_once, 3),
    (Walker.decide, 3),
    (Walker.edit_the_rows, 6),
    (Walker.edit_the_prompt, 2),
    (Walker.edit_the_limits, 2),
    (Walker.rename, 3),
    (Walker.delete_the_output, 1),
    (Walker.back_up, 3),
    (Walker.restore, 2),
    (Walker.restore_the_state, 2),
    (Walker.copy_the_folder, 1),
    (Walker.use_another_key, 2),
    (Walker.trouble, 7),
    (Walker.recover, 2),
    (Walker.stranger, 2),
    (Walker.time_passes, 3),
    (Walker.batches_take, 3),
)
