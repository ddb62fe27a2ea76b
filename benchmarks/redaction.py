"""Measures the filter's detectors on labelled cases and on ordinary code, side by side with others.

    python -m benchmarks.redaction CASES.jsonl[.gz] [--corpus DIR] [--mode file|typed]

Each engine runs in a process of its own, one after the other: overt's detectors, gitleaks' published rules on RE2, and
detect-secrets. ``--mode typed`` types each case key by key into the redactor and counts what it masked; the other two
know no typing and are given the finished text, which is more than they would see. A case counts when 95 % of its
secret's characters are covered; a hard negative is flagged when anything in it is. False positives are counted on the
text of files in either mode, because nobody types a library; personal data in code is counted apart. The last line is
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.redaction_cases import HASH_LIKE, Case, read_cases, read_corpus, standard_corpus
from benchmarks.redaction_engines import ENGINES, Engine, Unavailable

CORPUS_MB = 18.0
"""Enough for a rate of one false positive in several MB, and a minute's work for the slowest engine."""


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redaction", description="Measure the detectors.")
    parser.add_argument("cases", type=Path, help="labelled cases, one JSON object a line (.jsonl or .jsonl.gz)")
    parser.add_argument("--corpus", type=Path, default=None, help="a folder of ordinary code (default: Python's own)")
    parser.add_argument("--corpus-mb", type=float, default=CORPUS_MB, help="read about so much of it")
    parser.add_argument("--mode", choices=("file", "typed"), default="file")
    parser.add_argument("--only", choices=("overt", "gitleaks_rules", "detect_secrets"), help="one engine only")
    parser.add_argument("--list", action="store_true", help="print what overt missed and flagged to standard error")
    options = parser.parse_args()
    names = [options.only] if options.only else ["overt", "gitleaks_rules", "detect_secrets"]
    result: dict[str, Any] = {}
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            result[name] = pool.apply(
                measure, (name, options.cases, options.corpus, options.corpus_mb, options.mode, options.list)
            )
    print(json.dumps(result))


def measure(name: str, cases: Path, corpus: Path | None, corpus_mb: float, mode: str, listed: bool) -> dict[str, Any]:  # noqa: FBT001 - called over a process boundary
    """Measure one engine; runs in its own process, so that its memory is its own."""
    typed = mode == "typed" and name == "overt"
    try:
        engine = ENGINES["overt_typed" if typed else name]()
        window = ENGINES["overt_window"]() if typed else engine
        files = ENGINES[name]()
    except Unavailable as error:
        return {"unavailable": str(error)}
    figures: dict[str, Any] = {"mode": mode, **on_cases(engine, read_cases(cases), listed=listed)}
    figures |= window_times(window, read_cases(cases))
    figures |= on_code(files, corpus or standard_corpus(), corpus_mb, listed=listed)
    # Linux counts in KiB, macOS in bytes.
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    figures["rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)
    return figures


def on_cases(engine: Engine, cases: list[Case], *, listed: bool = False) -> dict[str, Any]:
    """Give recall by label and family, and what was flagged of the hard negatives."""
    seen: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for case in cases:
        found = engine(f"case-{case.id}.txt", case.text)
        hit = case.covered_by([(each.start, each.end) for each in found])
        seen[case.label, case.group].append(hit)
        if listed and hit == (case.label == "negative"):
            print("FLAGGED" if hit else "MISSED", case.group, json.dumps(case.text[:300]), file=sys.stderr)
    negatives = {group: hits for (label, group), hits in seen.items() if label == "negative"}
    plain = [hit for group, hits in negatives.items() if group not in HASH_LIKE for hit in hits]
    every = [hit for hits in negatives.values() for hit in hits]
    return {
        "recall": {label: _share(_of_label(seen, label)) for label in ("secret", "pii")},
        "recall_by_family": {
            group: {"found": sum(hits), "of": len(hits), "recall": _share(hits)}
            for (label, group), hits in sorted(seen.items())
            if label != "negative"
        },
        "hard_negatives_flagged": {
            "share": _share(every),
            "flagged": sum(every),
            "of": len(every),
            "share_not_hash_like": _share(plain),
            "flagged_not_hash_like": sum(plain),
            "of_not_hash_like": len(plain),
            "by_kind": {group: sum(hits) for group, hits in sorted(negatives.items()) if any(hits)},
        },
    }


def window_times(engine: Engine, cases: list[Case]) -> dict[str, float]:
    """Give the time of one call on one case's text, in microseconds of processor time, warm."""
    times: list[float] = []
    for case in cases:
        began = time.process_time()
        engine("window.txt", case.text)
        times.append((time.process_time() - began) * 1e6)
    times.sort()
    return {
        "us_per_window_p50": round(times[len(times) // 2], 1),
        "us_per_window_p99": round(times[int(len(times) * 0.99)], 1),
    }


def on_code(engine: Engine, folder: Path, max_mb: float, *, listed: bool = False) -> dict[str, Any]:
    """Give false positives a megabyte on ordinary code, and the speed there."""
    size = secrets = personal = files = 0
    seconds = 0.0
    for name, text in read_corpus(folder, max_mb):
        began = time.process_time()
        found = engine(name, text)
        seconds += time.process_time() - began
        size += len(text.encode())
        files += 1
        secrets += sum(each.secret for each in found)
        personal += sum(not each.secret for each in found)
        if listed:
            for each in found:
                if each.secret:
                    line = text[max(each.start - 60, 0) : each.end + 20]
                    print("FALSE", name[-50:], json.dumps(line[:260]), file=sys.stderr)
    megabytes = max(size, 1) / 1e6
    return {
        "corpus_mb": round(megabytes, 2),
        "corpus_files": files,
        "false_positives_per_mb": round(secrets / megabytes, 2),
        "personal_data_per_mb": round(personal / megabytes, 2),
        "mb_per_s": round(megabytes / max(seconds, 1e-9), 2),
    }


def _of_label(seen: dict[tuple[str, str], list[bool]], wanted: str) -> list[bool]:
    return [hit for (label, _), hits in seen.items() if label == wanted for hit in hits]


def _share(hits: list[bool]) -> float:
    return round(sum(hits) / max(len(hits), 1), 4)


if __name__ == "__main__":
    main()
