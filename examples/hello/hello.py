import sluicegate as sg

app = sg.App("hello")
names, greetings = app.bucket("names"), app.bucket("greetings")


@app.function(on=names.each(), into=greetings)  # one call per object
def greet(name: sg.Object):
    return f"Hello, {name.text().strip()}!"


@app.function(on=greetings.join(of=greet))  # once, when every `greet` of the run is done
def letter(parts: list[sg.Object]):
    return "\n".join(part.text() for part in parts)
