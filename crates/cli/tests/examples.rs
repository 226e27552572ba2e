//! The examples on real input, against oracles that have nothing to do with them: coreutils, sorting in memory, zlib, a price list,
//! scikit-learn.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use tool::{Folder, boto, called, repository};

fn example(name: &str) -> String {
    repository().join("examples").join(name).to_str().unwrap().to_owned()
}

fn books() -> PathBuf {
    repository().join("examples/wordcount/books")
}

#[track_caller]
fn run(folder: &Folder, arguments: &[&str]) -> Value {
    let called = folder.call(&[&["run"], arguments, &["--json"]].concat());
    assert_eq!(called.exit, 0, "{}", called.stderr);
    called.json()["outputs"].clone()
}

#[track_caller]
fn shell(script: &str, folder: &Folder) -> String {
    let mut command = Command::new("bash");
    // Bytes, not characters: that is what the example counts.
    command.args(["-euo", "pipefail", "-c", script]).current_dir(folder.path());
    let output = command.env("LC_ALL", "C").env("TEXTS", books()).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn wordcount_counts_as_coreutils_do() {
    let folder = Folder::with(&[]);
    let found = run(&folder, &[&example("wordcount")])["total"].clone();
    let number = |script: &str| shell(script, &folder).trim().parse::<u64>().unwrap();
    assert_eq!(found["words"], number("cat \"$TEXTS\"/*.txt | wc -w"));
    let words = "cat \"$TEXTS\"/*.txt | tr -s '[:space:]' '\\n' | grep -a .";
    assert_eq!(found["distinct"], number(&format!("{words} | sort -u | wc -l")));
    let counted = shell(&format!("{words} | sort | uniq -c | sort -k1,1nr -k2,2 | sed -n 1,10p"), &folder);
    let top = counted.lines().map(|line| line.trim().split_once(' ').unwrap());
    let expected: serde_json::Map<_, _> =
        top.map(|(count, word)| (word.to_owned(), json!(count.parse::<u64>().unwrap()))).collect();
    assert_eq!(expected.len(), 10);
    assert_eq!(found["top"], Value::Object(expected));
}

#[test]
fn sort_gives_every_record_once_and_in_order() {
    let folder = Folder::with(&[]);
    let app = example("sort");
    shell(&format!("python3 {app}/generate.py records --records 20011 --files 5"), &folder);
    run(&folder, &[&app, "--put", "chunks=records/*", "--out", "sorted"]);
    let read = |name: &str| {
        let mut files: Vec<_> =
            std::fs::read_dir(folder.path().join(name)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect::<Vec<u8>>()
    };
    let (given, sorted) = (read("records"), read("sorted"));
    let mut expected: Vec<&[u8]> = given.chunks(100).collect();
    assert_eq!(expected.len(), 20_011);
    // Keys are random enough to differ, so there is one right order.
    expected.sort_by_key(|record| &record[..10]);
    assert!(sorted.chunks(100).eq(expected), "the outputs are not the sorted inputs");
    shell(&format!("python3 {app}/check.py records sorted"), &folder);
    let mut unsorted = Command::new("python3");
    unsorted.arg(format!("{app}/check.py")).args(["records", "records"]).current_dir(folder.path());
    assert!(!unsorted.output().unwrap().status.success(), "the check can fail");
}

#[test]
fn pipeline_mixes_programs_wasm_and_python() {
    let folder = Folder::with(&[]);
    let put = format!("texts={}/*.txt", books().display());
    let report = run(&folder, &[&example("pipeline"), "--put", &put, "--out", "packed"])["report"].clone();
    assert_eq!(report.as_object().unwrap().len(), 2);
    for book in ["earnest.txt", "frankenstein.txt"] {
        let packed = std::fs::metadata(folder.path().join("packed").join(book)).unwrap().len();
        let say = |script: &str| shell(&script.replace("BOOK", book), &folder).trim().to_owned();
        say("gzip -dc < packed/BOOK | cmp - \"$TEXTS/BOOK\"");
        let crc = "python3 -c 'import sys, zlib; print(f\"{zlib.crc32(sys.stdin.buffer.read()):08x}\")' < \"$TEXTS/BOOK\"";
        assert_eq!(report[book]["crc32"], say(crc), "{book}");
        assert_eq!(report[book]["words"].to_string(), say("wc -w < \"$TEXTS/BOOK\""), "{book}");
        let longest = "tr -s '[:space:]' '\\n' < \"$TEXTS/BOOK\" | wc -L";
        assert!(report[book]["longest"].as_u64() >= say(longest).parse().ok(), "{book}");
        assert_eq!(report[book]["packed_bytes"], packed, "{book}");
    }
}

/// What a line of the catalogue says: cents, stock.
fn catalogue() -> BTreeMap<String, (u64, u64)> {
    let text = std::fs::read_to_string(repository().join("examples/order-workflow/catalogue.csv")).unwrap();
    let number = |text: &str| text.parse::<u64>().unwrap();
    let lines = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    lines.map(|line| (line[0].to_owned(), (number(line[1]), number(line[2])))).collect()
}

/// The end that an order has to come to, worked out without any workflow.
fn fate(order: &Value) -> Value {
    let catalogue = catalogue();
    let items = order["items"].as_array().unwrap();
    let skus: Vec<&str> = items.iter().map(|item| item["sku"].as_str().unwrap()).collect();
    if let Some(unknown) = skus.iter().find(|sku| !catalogue.contains_key(**sku)) {
        return json!({"status": "rejected", "reason": format!("there is no {unknown}")});
    }
    let cents =
        |item: &Value| catalogue[item["sku"].as_str().unwrap()].0 * item["quantity"].as_u64().unwrap();
    let total: u64 = items.iter().map(cents).sum();
    if total > order["limit"].as_u64().unwrap() {
        return json!({"status": "too expensive", "cents": total, "limit": order["limit"]});
    }
    let card = order["card"].as_str().unwrap();
    let undone = |reason: &str| json!({"status": "undone", "reason": reason, "undone": skus});
    if card.ends_with("0000") {
        return undone("CardDeclined");
    }
    if items.iter().any(|item| item["quantity"].as_u64() > Some(catalogue[item["sku"].as_str().unwrap()].1)) {
        return undone("OutOfStock");
    }
    let lines = items
        .iter()
        .map(|item| json!({"sku": item["sku"], "quantity": item["quantity"], "cents": cents(item)}));
    let paid = json!({"charged": total, "card": &card[card.len() - 4..]});
    json!({"status": "sent", "to": order["to"], "lines": lines.collect::<Vec<_>>(), "paid": paid})
}

#[test]
fn orders_come_to_the_right_end() {
    let folder = Folder::with(&[]);
    let app = example("order-workflow");
    let sample = std::fs::read(repository().join("examples/order-workflow/sample.json")).unwrap();
    let sample: Value = serde_json::from_slice(&sample).unwrap();
    assert_eq!(run(&folder, &[&app])["order"], fate(&sample["input"]));
    let order = |card: &str, limit: u64, sku: &str, quantity: u64| {
        let items = json!([{"sku": "tea", "quantity": 2}, {"sku": sku, "quantity": quantity}]);
        json!({"to": "Bob", "card": card, "limit": limit, "courier_seconds": 0, "items": items})
    };
    let orders = [
        order("1111", 100_000, "gold", 1),
        order("1111", 1_000, "cup", 1),
        order("0000", 100_000, "cup", 12),
        order("1111", 100_000, "kettle", 4),
        order("1111", 100_000, "kettle", 3),
    ];
    for order in orders {
        let found = run(&folder, &[&app, "--input", &order.to_string()]);
        assert_eq!(found["order"], fate(&order), "{order}");
    }
}

/// What shops are due and which orders are held, worked out without any workflow.
fn settled() -> Value {
    let market = BTreeMap::from([("EUR", 1000), ("USD", 862), ("JPY", 5), ("GBP", 1141)]);
    let (mut paid, mut held) = (BTreeMap::<String, u64>::new(), Vec::new());
    let folder = repository().join("examples/settlement/orders");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        let order: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let (id, amount) = (order["order"].as_str().unwrap(), order["amount"].as_u64().unwrap());
        let risk = if amount > 50_000 { id[1..].parse::<u64>().unwrap() * 37 % 100 } else { 0 };
        match market.get(order["currency"].as_str().unwrap()).filter(|_| risk < 80) {
            Some(rate) => {
                *paid.entry(order["shop"].as_str().unwrap().to_owned()).or_default() += amount * rate / 1000
            }
            None => held.push(id.to_owned()),
        }
    }
    assert!(held.len() > 1, "some are held, for either reason");
    json!({"settlement": {"paid": paid, "held": held}})
}

#[test]
fn a_state_machine_a_dag_and_code_settle_together() {
    let folder = Folder::with(&[]);
    assert_eq!(run(&folder, &[&example("settlement")]), settled());
}

#[test]
fn learning_together_comes_close_to_learning_from_all_data_at_once() {
    let Some(python) = boto::python() else { return };
    let folder = Folder::with(&[]);
    let app = example("federated-learning");
    let path = format!("{}:{}", python.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut run = folder.command(&["run", &app, "--out", "learnt", "--json"]);
    let ran = called(run.env("PATH", &path).output().unwrap());
    assert_eq!(ran.exit, 0, "{} {}", ran.stdout, ran.stderr);
    let mut check = Command::new(python);
    check.arg(format!("{app}/check.py")).arg("learnt").current_dir(folder.path());
    let checked = check.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let curve = std::fs::read_to_string(folder.path().join("learnt/accuracy.svg")).unwrap();
    assert!(curve.starts_with("<svg "), "{curve}");
}

#[test]
fn what_the_readme_shows_works() {
    let text = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let shown =
        |line: &&str| ["run", "explain", "eval"].iter().any(|c| line.starts_with(&format!("sluice {c} ")));
    let lines: Vec<&str> = text.lines().filter(shown).collect();
    assert!(lines.len() >= 9, "{lines:?}");
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_sluice"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    for line in lines {
        let mut command = Command::new("bash");
        let output = command
            .args(["-c", line])
            .env("PATH", &path)
            .env("SLUICE_SERVER", "")
            .current_dir(example("hello"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let (_, app) = text.split_once("```python\n").unwrap();
    let squeezed =
        |text: &str| text.lines().map(|line| line.split_whitespace().collect::<String>()).collect::<String>();
    let written = std::fs::read_to_string(repository().join("examples/hello/hello.py")).unwrap();
    assert_eq!(squeezed(app.split_once("```").unwrap().0), squeezed(&written));
}
