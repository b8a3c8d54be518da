"""The demonstration: every stage of CMT on the embedded corpus, against what it must beat."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crosstone.data.corpora import CORPORA
from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError
from crosstone.inference.predictor import Predictor
from crosstone.reports.comparison import paired_table
from crosstone.reports.report import write_report
from crosstone.runs.codes import make_codebook
from crosstone.runs.corpora import known_faults
from crosstone.runs.pool import Done, RunPool
from crosstone.runs.recipe import DataSpec, load_recipe
from crosstone.runs.run import Progress
from crosstone.training import peak_memory_mib, read_log

FEW_LABELS = 0.2
"""The smaller share of labels at which pretraining is weighed; figure 3 begins there."""

ADAPTED = "CMT, pretrained and adapted"
PRETRAINED = "CMT, pretrained"
FRESH = "CMT without pretraining"
RIVALS = ("audio only", "text only", "shallow fusion")

_FEW = f", {FEW_LABELS:.0%} of the labels"


class Demo:
    """One demonstration in one folder; every step is a verb that a person could type."""

    def __init__(self, out: Path, law: str, seed: int, progress: Progress | None) -> None:
        self.out, self.law, self.seed, self.progress = out, law, seed, progress
        self.seconds: dict[str, float] = {}
        self.peaks: dict[int, float] = {}
        self.corpus = out / "corpus"
        self.codebook = out / "codebooks" / "mfcc.safetensors"

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Count the seconds of a stage."""
        begun = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begun

    def _tick(self, title: str) -> Callable[[int, int], None]:
        def tick(done: int, total: int) -> None:
            if self.progress is not None:
                self.progress(title, done, total)

        return tick

    def prepare(self) -> Corpus:
        """Write, speak and check the corpus, and fit the first codewords."""
        with self.timed("synthesis"):
            corpus = CORPORA["twokey"](
                self.out,
                self.corpus,
                law=self.law,
                seed=self.seed,
                labelled=5000,
                text_only=6000,
                progress=self._tick("speaking the corpus"),
            )
        with self.timed("check"):
            known_faults(corpus, DataSpec().max_seconds, self.progress)
        with self.timed("codebook"):
            unlabelled = corpus.where(lambda utterance: utterance.split == "unlabelled")
            make_codebook(
                unlabelled,
                self.codebook,
                encoder=None,
                stride=640,
                num_codes=100,
                sample=0.25,
                max_iter=20,
                seed=self.seed,
                progress=self._tick("fitting codewords"),
            )
        return corpus

    def train(self, pool: RunPool) -> list[Path]:
        """Stage 0, the joint stage, its adaptation, and every system of the table.

        All systems start from the same stage-0 encoders; those that need no joint pretraining are
        fine-tuned beside it. Gives the run sets in the order of the table.
        """
        codes = f"objectives.masked_audio.codebook={self.codebook}"
        audio = self._submit(pool, "twokey-audio-tower", "audio-tower", codes)
        text = self._submit(pool, "twokey-text-tower", "text-tower")
        self._wait("stage 0: audio tower", audio)
        self._wait("stage 0: text tower", text)
        joint = self._submit(pool, "twokey-cmt-pretrain", "pretrain", codes, *self._towers(FRESH))
        waiting = {n: self._finetune(pool, n, self._towers(n)) for n in (*RIVALS, FRESH)}
        waiting[FRESH + _FEW] = self._finetune(pool, FRESH + _FEW, self._towers(FRESH))
        self._wait("pretraining", joint)
        start = f"model.init={self.out / 'pretrain'}"
        adapted = self._submit(pool, "twokey-cmt-adapt", "adapt", codes, start)
        for name in (PRETRAINED, PRETRAINED + _FEW):
            waiting[name] = self._finetune(pool, name, [start])
        self._wait("adaptation", adapted)
        start = f"model.init={self.out / 'adapt'}"
        for name in (ADAPTED, ADAPTED + _FEW):
            waiting[name] = self._finetune(pool, name, [start])
        done = {name: self._wait(f"fine-tuning: {name}", f) for name, f in waiting.items()}
        whole = (*RIVALS, FRESH, PRETRAINED, ADAPTED)
        return [done[name] for name in (*whole, *(n + _FEW for n in whole if n + _FEW in done))]

    def _towers(self, system: str) -> list[str]:
        family = {"audio only": "audio", "text only": "text", "shallow fusion": "shallow"}
        overrides = [f"model.family={family.get(system, 'cmt')}"]
        if system != "text only":
            overrides.append(f"model.audio_encoder={self.out / 'audio-tower'}")
        if system != "audio only":
            overrides.append(f"model.text_encoder={self.out / 'text-tower'}")
        return overrides

    def _finetune(self, pool: RunPool, name: str, model: list[str]) -> "Future[Done]":
        recipe = "twokey-cmt" if name.startswith("CMT") else "twokey-finetune"
        if name.endswith(_FEW):
            recipe = "twokey-cmt-few"
        folder = name.lower().replace(",", "").replace("% of the", "").replace(" ", "-")
        return self._submit(pool, recipe, folder, f"name='{name}'", *model)

    def _submit(self, pool: RunPool, recipe: str, folder: str, *overrides: str) -> "Future[Done]":
        common = [f"data.corpus={self.corpus}", f"seeds=[{self.seed}]"]
        return pool.submit(load_recipe(recipe, [*common, *overrides]), self.out / folder)

    def _wait(self, stage: str, future: "Future[Done]") -> Path:
        done = future.result()
        self.seconds[stage] = done.seconds
        self.peaks[done.process] = max(self.peaks.get(done.process, 0.0), done.peak_memory_mib)
        return done.folder

    @property
    def peak_memory_mib(self) -> float:
        """This process's peak and its workers' together, an upper bound."""
        return (peak_memory_mib() or 0.0) + sum(self.peaks.values())


def run_demo(
    out: Path, *, law: str = "interplay", seed: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """Make everything in `out`, with summary.json and report.html at its end.

    Gives the summary: for each system accuracy and UA with intervals, the paired differences, the
    exact ceilings, the cross-modal probe, a prediction, seconds of each stage and peak memory.
    Raises ConfigError where `out` holds other files.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out}: expected an empty or new folder, found files; choose another")
    begun = time.monotonic()
    demo = Demo(out, law, seed, progress)
    corpus = demo.prepare()
    with RunPool(min(2, os.cpu_count() or 1), progress) as pool:
        run_sets = demo.train(pool)
    pairs = [(ADAPTED, rival) for rival in (*RIVALS, FRESH, PRETRAINED)]
    pairs += [(PRETRAINED, FRESH)]
    pairs += [(f"{a}{_FEW}", f"{b}{_FEW}") for a, b in ((ADAPTED, FRESH), (PRETRAINED, FRESH))]
    with demo.timed("report"):
        table = paired_table(run_sets, pairs=pairs)[0]
        summary = {
            "law": law,
            "seed": seed,
            "corpus": table["corpus"],
            "ceilings": dict(corpus.extras["ceilings"]),
            "systems": {
                system["name"]: {
                    "accuracy": system["metrics"]["wa"],
                    "ua": system["metrics"]["ua"],
                    "train_fraction": system["train_fraction"],
                    "intervals_over": f"{system['clusters']} {system['by']}s",
                }
                for system in table["systems"]
            },
            "differences": [d for d in table["differences"] if (d["first"], d["second"]) in pairs],
            "probe": _last_probe(out / "pretrain" / "log.jsonl"),
            "prediction": _ask(out, corpus),
        }
        summary |= {
            "seconds": {**demo.seconds, "total": time.monotonic() - begun},
            "peak_memory_mib": demo.peak_memory_mib,
        }
        write_report(
            run_sets,
            out / "report",
            pairs=pairs,
            pretraining={
                PRETRAINED: out / "pretrain",
                ADAPTED: out / "adapt" / f"fold-0-seed-{seed}",
            },
            stage_seconds=demo.seconds,
            peak_memory_mib=demo.peak_memory_mib,
            title=f"crosstone demo: {law}",
        )
    (out / "summary.json").write_text(
        json.dumps(summary, indent=2, ensure_ascii=False), encoding="utf-8"
    )
    return summary


def _last_probe(log: Path) -> dict[str, float]:
    probes = [line for line in read_log(log) if line["event"] == "probe"]
    return {k: v for k, v in probes[-1].items() if k not in ("event", "step")} if probes else {}


def _ask(out: Path, corpus: Corpus) -> dict[str, Any]:
    """One recording of the test side, with its words, put to the adapted model."""
    runs = next((out / "cmt-pretrained-and-adapted").glob("fold-0-seed-*"))
    first = json.loads((runs / "predictions.jsonl").read_text(encoding="utf-8").splitlines()[0])
    utterance = corpus[list(corpus.ids).index(first["id"])]
    path = corpus.audio_path(utterance)
    predictor = Predictor.load(runs)
    answer = predictor.predict(path, text=utterance.text).as_dict()
    return {
        "model": str(runs / "model"),
        "recording": str(path),
        "text": utterance.text,
        "target": utterance.labels["emotion"],
        **answer,
    }
