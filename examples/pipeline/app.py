"""One app, three kinds of functions: programs (`tr`, `gzip`), WebAssembly (a checksum) and Python (the report).

    sluice run examples/pipeline --put texts='examples/wordcount/books/*.txt' --out /tmp/packed
"""
import sluicegate as sg

app = sg.App("pipeline")
texts, words, sums = app.bucket("texts"), app.bucket("words"), app.bucket("sums")

# Each text goes three ways at once. What is packed is also the output of the run.
app.exec_function("split", ["tr", "-s", "[:space:]", "\\n"], on=texts.each(), into=words)
app.exec_function("pack", ["gzip", "-9", "-n", "-c"], on=texts.each(), into=app.output)
app.wasm_function("checksum", "crc32.wat", on=texts.each(), into=sums)


@app.function(
    on=sg.all(words.join(of="split"), app.output.join(of="pack"), sums.join(of="checksum")), into=app.output
)
def report(objects: list[sg.Object]):
    found: dict[str, dict[str, object]] = {}
    for one in objects:
        entry = found.setdefault(one.key, {})
        if one.bucket == "words":
            listed = bytes(one.data).split()
            entry.update(words=len(listed), longest=max(map(len, listed), default=0))
        elif one.bucket == "sums":
            entry["crc32"] = one.text()
        else:
            entry["packed_bytes"] = one.size
    return found
