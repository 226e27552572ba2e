//! Every trigger of the Python API, from files to outputs, in real sandboxes.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use tool::run;

const HEAD: &str = "import sluicegate as sg\n\napp = sg.App('triggers')\nitems = app.bucket('items')\n\n\
                    def keys(objects):\n    return [one.key for one in objects]\n";

/// Five objects of different sizes: the key is the content, but for `x2`.
const FILES: [(&str, &str); 5] = [("x1", "x1"), ("x2", "longer"), ("y1", "y1"), ("y2", "y2"), ("y3", "y3")];

/// The outputs of an app whose functions are given, started with the five objects in key order.
#[track_caller]
fn outputs(functions: &str) -> Value {
    run(&format!("{HEAD}{functions}"), &FILES, &["items=[xy]?"])["outputs"].clone()
}

#[test]
fn each_and_name_call_once_per_object() {
    let found = outputs(
        "
@app.function(on=items.each())
def each(item):
    return item.size

@app.function(on=items.name('x*'), into=app.output)
def named(item, ctx):
    yield f'named/{item.key}', item.text()
",
    );
    assert_eq!(
        found,
        json!({"x1": 2, "x2": 6, "y1": 2, "y2": 2, "y3": 2, "named/x1": "x1", "named/x2": "longer"})
    );
}

#[test]
fn set_gives_its_keys_in_the_order_declared_and_only_once() {
    let found =
        outputs("\n@app.function(on=items.set(['y2', 'x1']))\ndef both(parts):\n    return keys(parts)\n");
    assert_eq!(found, json!({"both": ["y2", "x1"]}));
}

#[test]
fn batch_takes_n_by_arrival_and_flushes_the_rest() {
    let found = outputs("\n@app.function(on=items.batch(2))\ndef pair(parts):\n    return keys(parts)\n");
    assert_eq!(found, json!({"pair-0": ["x1", "x2"], "pair-1": ["y1", "y2"], "pair-2": ["y3"]}));
}

#[test]
fn window_flushes_when_the_inputs_are_closed_and_splits_by_a_value() {
    let found = outputs(
        "
@app.function(on=items.window('1h'))
def hour(parts):
    return keys(parts)

@app.function(on=items.window(3600, by='string(object.size)'))
def sized(parts):
    return keys(parts)
",
    );
    assert_eq!(found["hour-0"], json!(["x1", "x2", "y1", "y2", "y3"]));
    let sized: Vec<&Value> = found
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, _)| key.starts_with("sized"))
        .map(|(_, v)| v)
        .collect();
    assert_eq!(sized.len(), 2, "{found}");
    assert!(sized.contains(&&json!(["x1", "y1", "y2", "y3"])) && sized.contains(&&json!(["x2"])), "{found}");
}

#[test]
fn first_fires_once_with_k() {
    let found =
        outputs("\n@app.function(on=items.first(2, of=5))\ndef quick(parts):\n    return keys(parts)\n");
    assert_eq!(found, json!({"quick": ["x1", "x2"]}));
}

#[test]
fn join_waits_for_every_call_and_sorts_by_key() {
    let found = outputs(
        "
done = app.bucket('done')

@app.function(on=items.each(), into=done)
def work(item):
    import time
    time.sleep(0.05 if item.key == 'x1' else 0)
    return item.size

@app.function(on=done.join(of=work))
def total(parts):
    return {'keys': keys(parts), 'sum': sum(part.value for part in parts)}
",
    );
    assert_eq!(found, json!({"total": {"keys": ["x1", "x2", "y1", "y2", "y3"], "sum": 14}}));
}

#[test]
fn group_calls_once_per_group_given_or_computed() {
    let found = outputs(
        "
done = app.bucket('done')

@app.function(on=items.each(), into=done)
def work(item, ctx):
    ctx.put(done, item.key, item.size, group='letter-' + item.key[0])

@app.function(on=done.group(of=work))
def given(parts, ctx):
    return [ctx.group, keys(parts)]

@app.function(on=done.group(of=work, by='\"size-\" + string(object.value)'))
def computed(parts, ctx):
    return [ctx.group, keys(parts)]
",
    );
    assert_eq!(
        found,
        json!({
            "letter-x": ["letter-x", ["x1", "x2"]], "letter-y": ["letter-y", ["y1", "y2", "y3"]],
            "size-2": ["size-2", ["x1", "y1", "y2", "y3"]], "size-6": ["size-6", ["x2"]],
        })
    );
}

#[test]
fn when_filters_what_any_other_condition_sees() {
    let found = outputs(
        "
@app.function(on=items.when('object.size > 2'))
def large(item):
    return item.text()

@app.function(on=items.when('object.key.startsWith(\"y\")').batch(2))
def ys(parts):
    return keys(parts)
",
    );
    assert_eq!(found, json!({"x2": "longer", "ys-0": ["y1", "y2"], "ys-1": ["y3"]}));
}

#[test]
fn all_fires_once_and_any_whenever() {
    let found = outputs(
        "
@app.function(on=sg.all(items.name('x1'), items.name('y2')))
def every(parts):
    return keys(parts)

@app.function(on=sg.any(items.name('x1'), items.name('y3')), into=app.output)
def some(item):
    yield 'some-' + item.key, True
",
    );
    assert_eq!(found, json!({"every": ["x1", "y2"], "some-x1": true, "some-y3": true}));
}

#[test]
fn an_emitted_event_is_heard_within_its_run() {
    let found = outputs(
        "
@app.function(on=items.name('x?'))
def say(item, ctx):
    ctx.emit('seen', {'size': item.size}, subject=item.key)

@app.function(on=sg.event(type='seen', subject='x*', when='event.data.size > 2'), into=app.output)
def heard(event):
    yield event.subject, [event.type, event.data]
",
    );
    assert_eq!(found, json!({"x2": ["seen", {"size": 6}]}));
}

#[test]
fn a_trigger_of_its_own_calls_and_emits() {
    let found = outputs(
        "
@app.function()
def called(parts):
    return keys(parts)

@app.function(on=sg.event(type='all.there'), into=app.output)
def heard(event):
    yield 'heard', event.type

app.trigger(items.set(['x1', 'y1']), invoke=called, emit={'type': 'all.there'})
",
    );
    assert_eq!(found, json!({"called": ["x1", "y1"], "heard": "all.there"}));
}

#[test]
fn joins_of_nothing_fire_with_an_empty_list() {
    let app = format!(
        "{HEAD}
done = app.bucket('done')

@app.function(on=items.each(), into=done)
def work(item):
    return 1

@app.function(on=done.join(of=work))
def total(parts):
    return keys(parts)
"
    );
    assert_eq!(run(&app, &[], &[])["outputs"], json!({"total": []}));
}
