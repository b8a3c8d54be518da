"""Table 4 of CTAL (Li et al. 2021): what its pretraining and its fusion are made of."""

from dataclasses import replace

from crosstone.studies.study import Asked, Claim, Study, System, change, gain

_TASKS: tuple[Asked, ...] = ("emotion", "sentiment", "speaker")
_WHOLE, _FRESH = "CTAL", "w/o pretraining"
_LESS, _NO_MLM, _NO_MCAM = "(a) less speech", "(b) w/o MLM", "(c) w/o MCAM"
_CONCAT = "(d) w/o orthogonal fusion"
_NO_AUDIO, _NO_TEXT = "(e) text output alone", "(f) audio output alone"
_APART = "(g) towers pretrained apart"
_SPEECH, _WORDS = "speech alone (Mockingjay)", "text alone (RoBERTa)"
_TWO, _ONE = "two streams (LXMERT)", "one stream (VisualBERT)"

_L1 = ("objectives.supervised.criterion=l1",)
_UNTIED = "objectives.orthogonality=null"
_SHARE = {"seed": "0", "labelled": "100", "unlabelled": "900", "unlabelled_speakers": "48"}
"""As many of the 2,400 unlabelled utterances as the paper's 360 hours are of 960."""

_SYSTEMS = (
    System(name=_WHOLE, family="ctal", start="pretrained"),
    System(name=_FRESH, family="ctal"),
    System(name=_LESS, family="ctal", start="pretrained", unlabelled=_SHARE),
    System(
        name=_NO_MLM,
        family="ctal",
        start="pretrained",
        pretraining=("objectives.masked_text=null",),
    ),
    System(
        name=_NO_MCAM,
        family="ctal",
        start="pretrained",
        pretraining=("objectives.masked_frames=null",),
    ),
    System(
        name=_CONCAT,
        family="ctal",
        start="pretrained",
        finetuning=("model.config.fusion=concat", _UNTIED),
    ),
    System(
        name=_NO_AUDIO,
        family="ctal",
        start="pretrained",
        finetuning=("model.config.outputs=text", _UNTIED),
    ),
    System(
        name=_NO_TEXT,
        family="ctal",
        start="pretrained",
        finetuning=("model.config.outputs=audio", _UNTIED),
    ),
    System(
        name=_APART,
        family="shallow",
        released=False,
        finetuning=("objectives.orthogonality={alpha: 1, text: first}",),
    ),
    System(name=_SPEECH, family="mockingjay", start="pretrained"),
    System(name=_WORDS, family="text", released=False),
    System(name=_TWO, family="two-stream", start="pretrained"),
    System(name=_ONE, family="single-stream", start="pretrained"),
)
_UNASKED = {"speaker": (_NO_AUDIO, _WORDS)}
"""The paper asks no text alone who speaks."""


def _of(name: str, asks: Asked) -> str:
    return name if asks == "emotion" else f"{name}, {asks}"


def _systems(asks: Asked) -> tuple[System, ...]:
    loss = _L1 if asks == "sentiment" else ()
    return tuple(
        replace(
            system,
            name=_of(system.name, asks),
            size="ablation",
            asks=asks,
            finetuning=(*system.finetuning, *loss),
        )
        for system in _SYSTEMS
        if system.name not in _UNASKED.get(asks, ())
    )


_METRICS = {"emotion": "ua", "sentiment": "mae", "speaker": "eer"}
_PRINTED = {"emotion": "UA", "sentiment": "MAE", "speaker": "EER"}


def _claims(
    sentence: str,
    first: str,
    over: str,
    theirs: tuple[tuple[float, float], ...],
    quote: str = "",
) -> tuple[Claim, ...]:
    """A sentence of §5.1, for every task whose numbers the table prints, in the order of _TASKS."""
    return tuple(
        Claim(
            sentence=f"{sentence} ({asks})",
            source="CTAL §5.1, table 4",
            where="text",
            first=_of(first, asks),
            over=(_of(over, asks),),
            metric=_METRICS[asks],
            theirs=f"{quote}{_PRINTED[asks]} {change(old, new, 4)}",
            printed=gain(old, new),
        )
        for asks, (old, new) in zip(_TASKS, theirs, strict=False)
    )


ABLATION = Study(
    name="ctal-ablation",
    shows="What each part of CTAL's pretraining and fusion is worth, and streams of other shapes.",
    source="CTAL table 4",
    systems=tuple(system for asks in _TASKS for system in _systems(asks)),
    claims=(
        *_claims(
            "Pretraining improves on none",
            _WHOLE,
            _FRESH,
            ((0.7110, 0.7463), (0.6654, 0.6027), (0.0366, 0.0155)),
        ),
        *_claims(
            "More speech in pretraining is better",
            _WHOLE,
            _LESS,
            ((0.7386, 0.7463), (0.6050, 0.6027), (0.0204, 0.0155)),
        ),
        Claim(
            sentence="More speech in pretraining costs accuracy of sign",
            source="CTAL §5.1, table 4",
            where="table",
            first=_of(_LESS, "sentiment"),
            over=(_of(_WHOLE, "sentiment"),),
            metric="acc2_nonzero",
            theirs="Acc2 .8127 → .8077, F1 .8150 → .8101",
            printed=0.005,
        ),
        *_claims(
            "Masked speech alone (w/o MLM) improves on no pretraining",
            _NO_MLM,
            _FRESH,
            ((0.7110, 0.7185), (0.6654, 0.6629), (0.0366, 0.0244)),
        ),
        *_claims(
            "Masked text alone (w/o MCAM) improves on no pretraining",
            _NO_MCAM,
            _FRESH,
            ((0.7110, 0.7171), (0.6654, 0.6442), (0.0366, 0.0327)),
        ),
        *_claims(
            "Both tasks are better than masked speech alone",
            _WHOLE,
            _NO_MLM,
            ((0.7185, 0.7463), (0.6629, 0.6027), (0.0244, 0.0155)),
            "“dramatically”: ",
        ),
        *_claims(
            "Both tasks are better than masked text alone",
            _WHOLE,
            _NO_MCAM,
            ((0.7171, 0.7463), (0.6442, 0.6027), (0.0327, 0.0155)),
            "“dramatically”: ",
        ),
        *_claims(
            "Orthogonal fusion is better than none",
            _WHOLE,
            _CONCAT,
            ((0.7444, 0.7463), (0.6035, 0.6027), (0.0176, 0.0155)),
        ),
        Claim(
            sentence="Orthogonal fusion costs correlation",
            source="CTAL table 4",
            where="table",
            first=_of(_CONCAT, "sentiment"),
            over=(_of(_WHOLE, "sentiment"),),
            metric="pearson",
            theirs="Corr .6832 → .6809",
            printed=0.0023,
        ),
        *_claims(
            "Both outputs are better than the text's alone",
            _CONCAT,
            _NO_AUDIO,
            ((0.6586, 0.7444), (0.6235, 0.6035)),
        ),
        *_claims(
            "Both outputs are better than the audio's alone",
            _CONCAT,
            _NO_TEXT,
            ((0.7412, 0.7444), (0.6065, 0.6035), (0.0190, 0.0176)),
        ),
        Claim(
            sentence="The text's output costs accuracy of sign",
            source="CTAL table 4",
            where="table",
            first=_of(_NO_TEXT, "sentiment"),
            over=(_of(_CONCAT, "sentiment"),),
            metric="acc2_nonzero",
            theirs="Acc2 .7989 → .7948",
            printed=0.0041,
        ),
        *_claims(
            "Pretraining across modalities is better than of each apart",
            _WHOLE,
            _APART,
            ((0.7270, 0.7463), (0.6323, 0.6027), (0.0306, 0.0155)),
        ),
        *_claims(
            "CTAL is better than pretrained speech alone",
            _WHOLE,
            _SPEECH,
            ((0.5672, 0.7463), (0.8056, 0.6027), (0.0551, 0.0155)),
        ),
        *_claims(
            "CTAL is better than pretrained text alone",
            _WHOLE,
            _WORDS,
            ((0.6411, 0.7463), (0.6598, 0.6027)),
        ),
        *_claims(
            "CTAL is better than two symmetric streams",
            _WHOLE,
            _TWO,
            ((0.7222, 0.7463), (0.6405, 0.6027), (0.0320, 0.0155)),
        ),
        *_claims(
            "CTAL is better than one stream for both",
            _WHOLE,
            _ONE,
            ((0.6848, 0.7463), (0.6621, 0.6027), (0.0375, 0.0155)),
        ),
    ),
)
