"""A small copy of every corpus in its true format; tones tell the labels, so they can be learnt.

Each writer makes the tree under `root` and gives what `crosstone prepare` is asked for.
"""

import gzip
import itertools
import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

WriteCsd = Callable[..., Path]
RATE = 16_000


def record(path: Path, *tones: int, seconds: float = 0.3) -> None:
    """A stretch of each tone in turn, loud after a third of it, at a pitch of the recording's own.

    Speech encoders level out what never changes, and hear in noise what is not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    place = "/".join(path.parts[-3:])
    pitch = 200 + np.random.default_rng(zlib.crc32(place.encode())).uniform(0, 20)
    time = np.arange(round(RATE * seconds)) / RATE
    loudness = np.where(time > seconds / 3, 0.3, 0.01)
    wave = [loudness * np.sin(2 * np.pi * (pitch + 150 * tone) * time) for tone in tones]
    soundfile.write(path, np.concatenate(wave), RATE, subtype="PCM_16")


def write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_iemocap(root: Path, _: WriteCsd) -> Path:
    """Three sessions of two people and twelve turns, one of them without a majority."""
    codes, tones = ("ang", "exc", "neu", "sad", "hap", "xxx"), (0, 1, 2, 3, 1, 4)
    spoken = ("Leave me alone.", "It's great!", "I see.", "He is gone.", "I love it.", "Well.")
    named = ("Anger", "Excited", "Neutral", "Sadness", "Happiness", "Other")
    for session in (1, 2, 3):
        folder = root / "IEMOCAP_full_release" / f"Session{session}"
        dialogue = f"Ses0{session}F_impro01"
        judged = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        said = []
        for number, (who, i) in enumerate(itertools.product("FM", range(6))):
            turn, start = f"{dialogue}_{who}{i:03d}", number / 2
            judged += [
                f"[{start:.4f} - {start + 0.3:.4f}]\t{turn}\t{codes[i]}\t[2.5000, 3.0000, 3.0000]",
                f"C-E1:\t{named[i]};\t()",
                f"C-E2:\t{'Frustration' if codes[i] == 'xxx' else named[i]};\t()",
                "A-E1:\tval 2; act 3; dom  3;\t()",
                "A-E2:\tval 3; act 3; dom  3;\t()",
                "",
            ]
            said.append(f"{turn} [{start:08.4f}-{start + 0.3:08.4f}]: {spoken[i]}")
            record(folder / "sentences/wav" / dialogue / f"{turn}.wav", tones[i])
        write(folder / "dialog/EmoEvaluation" / f"{dialogue}.txt", judged)
        write(folder / "dialog/transcriptions" / f"{dialogue}.txt", said)
    return root


VIDEOS = {
    "train": ("--qXJuDtHPw", "267278", "_26JmJnPKfM", "mjQfQx2K__8"),
    "valid": ("03bSnISJMiM", "1iG0909rllw"),
    "test": ("_dI--eQ6qVU", "Jkswaaud0hk"),
}
OPINIONS = ((-2.0, "It is bad."), (2.4000000953674316, "I like it."), (0.0, "It is a film."))


def _folds(path: Path) -> None:
    write(path, [f"standard_{fold}_fold={list(videos)!r}\n" for fold, videos in VIDEOS.items()])


def write_mosei(root: Path, write_csd: WriteCsd) -> Path:
    """Eight videos of three segments each, the first of which begins before its video."""
    labels: dict[str, Any] = {}
    for video in itertools.chain(*VIDEOS.values()):
        lines = []
        for i, (score, text) in enumerate(OPINIONS):
            start, end = (0.4 * i if i else -0.1), 0.4 * i + 0.4
            happy, sad = max(score, 0), max(-score, 0)
            labels.setdefault(video, []).append((start, end, [score, happy, sad, 0, 0, 0, 0]))
            lines.append(f"{video}___{i}___{start}___{end}___{text}")
        labels[video].reverse()  # the sequence is not in the order of time
        write(root / "Raw/Transcript/Segmented/Combined" / f"{video}.txt", lines)
        record(root / "Raw/Audio/Full/WAV_16000" / f"{video}.wav", 0, 1, 2, seconds=0.4)
    write_csd(root / "CMU_MOSEI_Labels.csd", labels)
    _folds(root / "cmu_mosei_std_folds.py")
    return root


def write_mosi(root: Path, write_csd: WriteCsd) -> Path:
    """The same videos as MOSI numbers and transcribes them."""
    labels: dict[str, Any] = {}
    for video in itertools.chain(*VIDEOS.values()):
        labels[video] = [(0.4 * i, 0.4 * i + 0.4, [score]) for i, (score, _) in enumerate(OPINIONS)]
        lines = [f"{i}_DELIM_{text.upper()}" for i, (_, text) in enumerate(OPINIONS, start=1)]
        write(root / "Raw/Transcript/Segmented" / f"{video}.annotprocessed", lines)
        record(root / "Raw/Audio/WAV_16000/Full" / f"{video}.wav", 0, 1, 2, seconds=0.4)
    write_csd(root / "CMU_MOSI_Opinion_Labels.csd", labels, root="Opinion Segment Labels")
    _folds(root / "cmu_mosi_std_folds.py")
    return root


def write_librispeech(root: Path, _: WriteCsd) -> Path:
    """Three readers who train and four who are tested, in two chapters each."""
    readers = {"train-clean-100": (103, 1034, 19), "test-clean": (1089, 121, 237, 61)}
    table = ["; Some pipe(|) separated metadata", ";ID |SEX| SUBSET | MINUTES | NAME"]
    for subset, ids in readers.items():
        for tone, reader in enumerate(ids):
            sex = "FM"[tone % 2]
            table.append(f"{reader:<5}| {sex} | {subset:<16} | 8.05  | |CBW|Reader {reader}")
            for chapter in (134686, 134691):
                begins = f"{reader}-{chapter}"
                folder = root / "LibriSpeech" / subset / str(reader) / str(chapter)
                for i in range(3):
                    record(folder / f"{begins}-{i:04d}.flac", 2 * tone)
                lines = [f"{begins}-{i:04d} IT'S LINE {i} OF {reader}" for i in range(3)]
                write(folder / f"{begins}.trans.txt", lines)
    write(root / "LibriSpeech" / "SPEAKERS.TXT", table)
    return root


def write_meld(root: Path, _: WriteCsd) -> Path:
    """A dialogue of each part, and one more to train on, each dialogue 0 or 1 of its part."""
    feelings = {
        "anger": ("negative", "I’m so mad at you!"),
        "disgust": ("negative", "Eww."),
        "fear": ("negative", "Oh no, no, no."),
        "joy": ("positive", "That is great!"),
        "neutral": ("neutral", "I’m going to the store."),
        "sadness": ("negative", "I miss him."),
        "surprise": ("positive", "Oh my God!"),
    }
    places = {
        "train": ("train/train_splits", 2),
        "dev": ("dev/dev_splits_complete", 1),
        "test": ("test/output_repeated_splits_test", 1),
    }
    header = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    for part, (folder, dialogues) in places.items():
        rows = [header + "StartTime,EndTime"]
        for dialogue, (i, name) in itertools.product(range(dialogues), enumerate(feelings)):
            sentiment, text = feelings[name]
            who = ("Monica", "Ross", "Woman")[i % 3]
            rows.append(
                f'{len(rows)},"{text}",{who},{name},{sentiment},{dialogue},{i},4,7,'
                f'"00:20:5{i},256","00:20:5{i},556"'
            )
            record(root / "MELD.Raw" / folder / f"dia{dialogue}_utt{i}.wav", i)
        write(root / "MELD.Raw" / f"{part}_sent_emo.csv", rows)
    return root


def write_emodb(root: Path, _: WriteCsd) -> Path:
    """Three actors who say one sentence in seven emotions, twice."""
    for who, (tone, letter), take in itertools.product(
        ("03", "08", "16"), enumerate("WLEAFTN"), "ab"
    ):
        record(root / "download" / "wav" / f"{who}a01{letter}{take}.wav", tone)
    return root


def write_cremad(root: Path, _: WriteCsd) -> Path:
    """Six actors who say one sentence in six emotions; a clip of each is heard as two of them."""
    letters = {"ANG": "A", "DIS": "D", "FEA": "F", "HAP": "H", "NEU": "N", "SAD": "S"}
    actors = ['"ActorID","Age","Sex","Race","Ethnicity"']
    tally = ['"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"']
    majorities = ['"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel",']
    majorities[0] += '"MultiModalVote","MultiModalLevel"'
    for actor in range(1001, 1007):
        actors.append(f'{actor},{20 + actor % 50},"Female","Asian","Not Hispanic"')
        for tone, (name, letter) in enumerate(letters.items()):
            clip, number = f"1{actor % 1000:03d}_IEO_{name}_XX", len(tally)
            votes = [3 * (each == letter) for each in letters.values()]
            tied = name == "SAD" and actor % 2
            if tied:
                votes[4] = 3
            heard = "N:S" if tied else letter
            cast = ",".join(map(str, votes))
            tally.append(f'"{100000 + number}",{cast},"{clip}",{sum(votes)},0.5,"{heard}"')
            majorities.append(f'"{number}","{clip}","{heard}","60",' + f'"{letter}","60",' * 2)
            majorities[-1] = majorities[-1].rstrip(",")
            record(root / "CREMA-D" / "AudioWAV" / f"{clip}.wav", tone)
    write(root / "CREMA-D" / "processedResults" / "tabulatedVotes.csv", tally)
    write(root / "CREMA-D" / "processedResults" / "summaryTable.csv", majorities)
    write(root / "CREMA-D" / "VideoDemographics.csv", actors)
    return root


def write_ravdess(root: Path, _: WriteCsd) -> Path:
    """Six actors who say one sentence in eight emotions."""
    for actor, emotion in itertools.product(range(1, 7), range(1, 9)):
        name = f"03-01-{emotion:02d}-01-{actor % 2 + 1:02d}-01-{actor:02d}.wav"
        record(root / "Audio_Speech_Actors_01-24" / f"Actor_{actor:02d}" / name, emotion)
    return root


def write_cuts(root: Path, _: WriteCsd) -> Path:
    """A cut set of three sessions with four moods, two cuts to a recording, zipped."""
    cuts = []
    for session, pair, speaker in itertools.product(range(3), range(2), "ab"):
        name = f"s{session}-{speaker}{pair}"
        record(root / "audio" / f"{name}.flac", 2 * pair, 2 * pair + 1, seconds=0.4)
        recording = {
            "id": name,
            "sources": [{"type": "file", "channels": [0], "source": f"audio/{name}.flac"}],
            "sampling_rate": RATE,
            "num_samples": round(0.8 * RATE),
            "duration": 0.8,
            "channel_ids": [0],
        }
        for half in (0, 1):
            mood = ("angry", "calm", "glad", "sad")[2 * pair + half]
            supervision = {
                "id": f"{name}-{half}",
                "recording_id": name,
                "start": 0.0,
                "duration": 0.4,
                "channel": 0,
                "text": f"I am {mood}",
                "language": "English",
                "speaker": f"{session}{speaker}",
                "custom": {"mood": mood, "session": f"session {session}"},
            }
            cut = {"id": f"cut-{name}-{half}", "start": 0.4 * half, "duration": 0.4, "channel": 0}
            cut |= {"supervisions": [supervision], "recording": recording, "type": "MonoCut"}
            cuts.append(json.dumps(cut) + "\n")
    path = root / "moods.jsonl.gz"
    path.write_bytes(gzip.compress("".join(cuts).encode()))
    return path


RELEASES: dict[str, Callable[[Path, WriteCsd], Path]] = {
    "iemocap": write_iemocap,
    "mosei": write_mosei,
    "mosi": write_mosi,
    "librispeech": write_librispeech,
    "meld": write_meld,
    "emodb": write_emodb,
    "cremad": write_cremad,
    "lhotse": write_cuts,
    "ravdess": write_ravdess,
}
