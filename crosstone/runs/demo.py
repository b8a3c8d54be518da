"""The demonstration: every stage of CMT on the embedded corpus, against what it must beat."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crosstone.data.corpora import CORPORA
from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError
from crosstone.inference.predictor import Predictor
from crosstone.runs.codes import make_codebook
from crosstone.runs.comparison import paired_table
from crosstone.runs.recipe import load_recipe
from crosstone.runs.report import write_report
from crosstone.runs.run import Progress
from crosstone.runs.runset import run
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
        self.corpus = out / "corpus"
        self.mfcc_codes = out / "codebooks" / "mfcc.safetensors"
        self.codes = out / "codebooks" / "audio-tower.safetensors"

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begun

    def _tick(self, title: str) -> Callable[[int, int], None]:
        def tick(done: int, total: int) -> None:
            if self.progress is not None:
                self.progress(title, done, total)

        return tick

    def prepare(self) -> Corpus:
        """Write and speak the corpus, and fit the first codewords."""
        with self._timed("synthesis"):
            corpus = CORPORA["twokey"](
                self.out,
                self.corpus,
                law=self.law,
                seed=self.seed,
                text_only=6000,
                progress=self._tick("speaking the corpus"),
            )
        with self._timed("codebooks"):
            self._codebook(corpus, self.mfcc_codes, encoder=None)
        return corpus

    def _codebook(self, corpus: Corpus, path: Path, *, encoder: str | None) -> None:
        unlabelled = corpus.where(lambda utterance: utterance.split == "unlabelled")
        make_codebook(
            unlabelled,
            path,
            encoder=encoder,
            stride=640,
            num_codes=100,
            sample=0.25,
            max_iter=20,
            seed=self.seed,
            progress=self._tick("codewords"),
        )

    def pretrain(self, corpus: Corpus) -> None:
        """Stage 0, one tower at a time, then the joint stage and its adaptation."""
        masked = "objectives.masked_audio.codebook="
        with self._timed("stage 0: audio tower"):
            self._run("twokey-audio-tower", "audio-tower", f"{masked}{self.mfcc_codes}")
        with self._timed("stage 0: text tower"):
            self._run("twokey-text-tower", "text-tower")
        with self._timed("codebooks"):
            self._codebook(corpus, self.codes, encoder=str(self.out / "audio-tower"))
        with self._timed("pretraining"):
            self._run("twokey-pretrain", "pretrain", f"{masked}{self.codes}", *self._towers("cmt"))
        with self._timed("adaptation"):
            init = f"model.init={self.out / 'pretrain'}"
            self._run("twokey-adapt", "adapt", f"{masked}{self.codes}", init)

    def finetune(self) -> list[Path]:
        """Every system of the table from the same stage-0 encoders."""
        systems = {
            "audio only": self._towers("audio"),
            "text only": self._towers("text"),
            "shallow fusion": self._towers("shallow"),
            FRESH: self._towers("cmt"),
            PRETRAINED: ["model.family=cmt", f"model.init={self.out / 'pretrain'}"],
            ADAPTED: ["model.family=cmt", f"model.init={self.out / 'adapt'}"],
        }
        run_sets = []
        for name, model in systems.items():
            folder = name.lower().replace(",", "").replace(" ", "-")
            with self._timed(f"fine-tuning: {name}"):
                run_sets.append(self._run("twokey-finetune", folder, f"name='{name}'", *model))
        for name in (FRESH, PRETRAINED, ADAPTED):
            folder = name.lower().replace(",", "").replace(" ", "-") + "-few-labels"
            with self._timed(f"fine-tuning: {name}{_FEW}"):
                few = self._run(
                    "twokey-finetune-few",
                    folder,
                    f"name='{name}{_FEW}'",
                    f"protocol.train_fraction={FEW_LABELS}",
                    *systems[name],
                )
            run_sets.append(few)
        return run_sets

    def _towers(self, family: str) -> list[str]:
        overrides = [f"model.family={family}"]
        if family != "text":
            overrides.append(f"model.audio_encoder={self.out / 'audio-tower'}")
        if family != "audio":
            overrides.append(f"model.text_encoder={self.out / 'text-tower'}")
        return overrides

    def _run(self, recipe: str, folder: str, *overrides: str) -> Path:
        common = [f"data.corpus={self.corpus}", f"seeds=[{self.seed}]"]
        out = self.out / folder
        run(load_recipe(recipe, [*common, *overrides]), out, progress=self.progress)
        return out


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
    demo.pretrain(corpus)
    run_sets = demo.finetune()
    pairs = [(ADAPTED, rival) for rival in (*RIVALS, FRESH, PRETRAINED)]
    pairs += [(PRETRAINED, FRESH)]
    pairs += [(f"{a}{_FEW}", f"{b}{_FEW}") for a, b in ((ADAPTED, FRESH), (PRETRAINED, FRESH))]
    with demo._timed("report"):
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
            "differences": table["differences"],
            "probe": _last_probe(out / "pretrain" / "log.jsonl"),
            "prediction": _ask(out, corpus),
        }
        summary |= {
            "seconds": {**demo.seconds, "total": time.monotonic() - begun},
            "peak_memory_mib": peak_memory_mib(),
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
            peak_memory_mib=peak_memory_mib(),
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
