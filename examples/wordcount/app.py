"""Counts words, as `wc -w` does: a word is a run of bytes between white space.

    sluice run examples/wordcount
    sluice run examples/wordcount --put texts='some/folder/*.txt'
"""
from collections import Counter

import sluicegate as sg

app = sg.App("wordcount")
texts, counts = app.bucket("texts"), app.bucket("counts")


@app.function(on=texts.each(), into=counts)
def count(text: sg.Object):
    words = Counter(bytes(text.data).split())
    return {word.decode("utf-8", "backslashreplace"): n for word, n in words.items()}


@app.function(on=counts.join(of=count), into=app.output)
def total(parts: list[sg.Object]):
    words: Counter[str] = Counter()
    for part in parts:
        words.update(part.json())
    top = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:10]
    return {"texts": len(parts), "words": words.total(), "distinct": len(words), "top": dict(top)}
