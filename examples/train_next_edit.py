"""Trains a small model on a dataset's next-edit examples, and compares it with two baselines on held-out sessions.

    python examples/train_next_edit.py dataset/

The question: which word does a person type first in their next edit? A word of the excerpt, of the latest edits or of
the training set's most frequent ones is chosen. The baselines are *copy-last* (the word that the last edit put in
first) and an *n-gram* model (the most likely word after the one before the caret, backing off to its frequency). The
model is a perceptron with one hidden layer that scores every candidate by what both of them know and by where it stood
before; it needs NumPy and a minute of one processor. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

REGION = re.compile(r"<\|editable_region_start\|>\n(.*)\n<\|editable_region_end\|>", re.DOTALL)
CURSOR = "<|user_cursor_is_here|>"
WORD = re.compile(r"[A-Za-z_]\w*")
HUNK = re.compile(r"^@@.*?@@\n", re.MULTILINE)
FREQUENT = 100
MAX_CANDIDATES = 256
HIDDEN = 32
EPOCHS = 16
BATCH = 64
RATE = 3e-3
FEATURES = 14
DRAWS = 2_000

Floats = npt.NDArray[np.float64]


class Change(NamedTuple):
    """What an edit took out and put in, word by word."""

    removed: list[str]
    inserted: list[str]


class Question(NamedTuple):
    """An example as the model sees it, and the word to find."""

    before: str
    prefix: str
    under: str
    excerpt: list[str]
    caret: int
    history: list[Change]
    answer: str
    session: str


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Train a small next-edit model on a dataset.")
    parser.add_argument("dataset", type=Path, help="what `overt dataset build` wrote")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--card", action="store_true", help="add the figures to the dataset's card, dataset.json")
    options = parser.parse_args()
    parts = {split: questions(options.dataset / "next_edit" / f"{split}.jsonl") for split in ("train", "test")}
    if not all(parts.values()):
        parser.error("the dataset has no examples in train or test")
    grams = Grams(parts["train"])
    model = Model(np.random.default_rng(options.seed))
    train = [made for question in parts["train"] if (made := prepare(question, grams)) is not None]
    for epoch in range(EPOCHS):
        print(f"epoch {epoch + 1}: loss {model.learn(train):.3f}", file=sys.stderr)
    figures = {"train_examples": len(train), **score(parts["test"], grams, model)}
    if options.card:
        from dataset_builder.card import add_figures  # noqa: PLC0415 - the rest needs NumPy alone

        add_figures(options.dataset, "train_next_edit", figures)
    print(json.dumps(figures))


def score(test: list[Question], grams: Grams, model: Model) -> dict[str, Any]:
    """Give the share of held-out examples for which each way finds the word at its first guess.

    ``over_copy_last`` and ``over_n_gram`` are the lower end of what the model has over a baseline: 97.5 % of the
    differences are above it when sessions are drawn again and again (bootstrap; examples of a session are alike).
    """
    right: dict[str, list[bool]] = {"model": [], "n_gram": [], "copy_last": [], "reachable": []}
    for question in test:
        words, features = candidates(question, grams)
        last = next((change.inserted for change in question.history if change.inserted), [])
        right["model"].append(words[int(model.scores(features).argmax())] == question.answer)
        right["n_gram"].append(grams.best(question.before) == question.answer)
        right["copy_last"].append(bool(last) and last[0] == question.answer)
        right["reachable"].append(question.answer in words)
    shares = {name: round(float(np.mean(found)), 3) for name, found in right.items()}
    sessions = [question.session for question in test]
    over = {f"over_{name}": at_least(right["model"], right[name], sessions) for name in ("copy_last", "n_gram")}
    return {"held_out_examples": len(test), "held_out_sessions": len(set(sessions)), **shares, **over}


def at_least(model: list[bool], other: list[bool], sessions: list[str]) -> float:
    """Give the difference of two ways' shares that 97.5 % of the differences over drawn sessions are above."""
    source = np.random.default_rng(0)
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one, two, session in zip(model, other, sessions, strict=True):
        sums[session][0] += int(one) - int(two)
        sums[session][1] += 1
    by_session = np.array(list(sums.values()))
    drawn = by_session[source.integers(0, len(by_session), (DRAWS, len(by_session)))].sum(axis=1)
    return round(float(np.quantile(drawn[:, 0] / drawn[:, 1], 0.025)), 3)


def questions(path: Path) -> list[Question]:
    """Read the examples whose edit puts in a word."""
    found = []
    for line in path.read_text("utf-8").splitlines():
        example = json.loads(line)
        before, after = REGION.search(example["input"]), REGION.search(example["output"])
        if before is None or after is None:
            continue
        left, _cursor, right = before[1].partition(CURSOR)
        change = changed(left + right, after[1])
        if not change.inserted:
            continue
        excerpt = WORD.findall(example["input"].replace(CURSOR, ""))
        words = WORD.findall(left)
        prefix = re.search(r"\w*\Z", left)
        under = re.match(r"\w*", right)
        found.append(
            Question(
                before=words[-1] if words else "",
                prefix=prefix[0] if prefix else "",
                under=(prefix[0] if prefix else "") + (under[0] if under else ""),
                excerpt=excerpt,
                caret=len(WORD.findall(example["input"].partition(CURSOR)[0])),
                history=history(example["events"]),
                answer=change.inserted[0],
                session=example["session"],
            )
        )
    return found


def history(events: str) -> list[Change]:
    """Read the earlier edits from their diffs, the latest first."""
    changes = []
    for diff in HUNK.split(events)[1:]:
        lines = diff.split("\n")
        removed = "\n".join(line[1:] for line in lines if line.startswith("-"))
        inserted = "\n".join(line[1:] for line in lines if line.startswith("+"))
        changes.append(changed(removed, inserted))
    return changes[::-1]


def changed(before: str, after: str) -> Change:
    """Give the words between what two texts begin and end with alike."""
    old, new = WORD.findall(before), WORD.findall(after)
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return Change(old[start : len(old) - end], new[start : len(new) - end])


class Grams:
    """How often words come, and after which word, in the training examples."""

    def __init__(self, train: list[Question]) -> None:
        self.single: Counter[str] = Counter()
        self.pairs: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for question in train:
            self.single[question.answer] += 1
            self.pairs[question.before][question.answer] += 1
        self.frequent = [word for word, _count in self.single.most_common(FREQUENT)]
        self._total = sum(self.single.values())

    def best(self, before: str) -> str:
        """Give the most likely word."""
        pairs = self.pairs.get(before)
        return pairs.most_common(1)[0][0] if pairs else self.frequent[0]

    def logs(self, before: str, word: str, *, own: bool = False) -> tuple[float, float]:
        """Give how likely a word is after another, and at all, as logarithms.

        ``own`` says that the word was counted because of this very example: then it is counted once less, or a model
        would learn to trust counts that it will not have for new examples.
        """
        pairs = self.pairs.get(before, Counter())
        return (
            math.log((pairs[word] - own + 0.1) / (sum(pairs.values()) + 10)),
            math.log((self.single[word] - own + 0.1) / (self._total + 10)),
        )


def candidates(question: Question, grams: Grams, *, seen: bool = False) -> tuple[list[str], Floats]:
    """Give the words to choose from, and what is known of each; ``seen`` for the examples that were counted."""
    excerpt = Counter(question.excerpt)
    distance = {word: abs(at - question.caret) for at, word in enumerate(question.excerpt)}
    for at, word in enumerate(question.excerpt):
        distance[word] = min(distance[word], abs(at - question.caret))
    inserted: dict[str, float] = {}
    removed: dict[str, float] = {}
    swaps: dict[str, float] = {}
    for age, change in enumerate(question.history):
        part = 1 / (1 + age)
        for word in change.inserted:
            inserted.setdefault(word, part)
        for word in change.removed:
            removed.setdefault(word, part)
        if question.under and question.under in change.removed and change.inserted:
            swaps.setdefault(change.inserted[0], part)
    last = next((change.inserted[0] for change in question.history if change.inserted), "")
    near = sorted(excerpt, key=lambda word: distance[word])
    words = list(dict.fromkeys([*inserted, *removed, *near, *grams.frequent]))[:MAX_CANDIDATES]
    rows = []
    for word in words:
        pair, single = grams.logs(question.before, word, own=seen and word == question.answer)
        rows.append(
            (
                word == last,
                inserted.get(word, 0.0),
                removed.get(word, 0.0),
                swaps.get(word, 0.0),
                math.log1p(excerpt[word]),
                1 / (1 + distance.get(word, 1_000)),
                math.log1p(distance.get(word, 1_000)) / 7,
                pair / 7,
                single / 7,
                bool(question.prefix) and word.startswith(question.prefix),
                word == question.under,
                bool(question.under),
                min(len(word), 20) / 20,
                1.0,
            )
        )
    return words, np.array(rows, dtype=float)


def prepare(question: Question, grams: Grams) -> tuple[Floats, int] | None:
    """Make a training example; None where the answer is not among the candidates."""
    words, features = candidates(question, grams, seen=True)
    return (features, words.index(question.answer)) if question.answer in words else None


class Model:
    """One hidden layer, a score per candidate, softmax over them; trained with Adam."""

    def __init__(self, source: np.random.Generator) -> None:
        self._source = source
        self._weights = [
            source.normal(0, 1 / math.sqrt(FEATURES), (FEATURES, HIDDEN)),
            np.zeros(HIDDEN),
            source.normal(0, 1 / math.sqrt(HIDDEN), (HIDDEN, 1)),
        ]
        self._means = [np.zeros_like(each) for each in self._weights]
        self._squares = [np.zeros_like(each) for each in self._weights]
        self._steps = 0

    def scores(self, features: Floats) -> Floats:
        """Score candidates."""
        first, bias, second = self._weights
        return np.asarray((np.maximum(features @ first + bias, 0) @ second)[:, 0])

    def learn(self, examples: list[tuple[Floats, int]]) -> float:
        """Go through the examples once, in a random order; gives the mean loss."""
        order = self._source.permutation(len(examples))
        loss = 0.0
        for start in range(0, len(order), BATCH):
            part = [examples[number] for number in order[start : start + BATCH]]
            gradients = [np.zeros_like(each) for each in self._weights]
            for features, answer in part:
                loss += self._add_gradients(features, answer, gradients)
            self._step([each / len(part) for each in gradients])
        return loss / len(examples)

    def _add_gradients(self, features: Floats, answer: int, gradients: list[Floats]) -> float:
        first, bias, second = self._weights
        hidden = np.maximum(features @ first + bias, 0)
        scores = (hidden @ second)[:, 0]
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        errors = chances.copy()
        errors[answer] -= 1
        back = (errors[:, None] @ second.T) * (hidden > 0)
        gradients[0] += features.T @ back
        gradients[1] += back.sum(axis=0)
        gradients[2] += hidden.T @ errors[:, None]
        return -math.log(chances[answer] + 1e-12)

    def _step(self, gradients: list[Floats]) -> None:
        self._steps += 1
        for number, gradient in enumerate(gradients):
            self._means[number] = 0.9 * self._means[number] + 0.1 * gradient
            self._squares[number] = 0.999 * self._squares[number] + 0.001 * gradient**2
            mean = self._means[number] / (1 - 0.9**self._steps)
            square = self._squares[number] / (1 - 0.999**self._steps)
            self._weights[number] -= RATE * mean / (np.sqrt(square) + 1e-8)


if __name__ == "__main__":
    main()
