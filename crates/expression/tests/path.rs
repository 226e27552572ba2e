//! Paths of the States Language, as Jayway evaluates them, and RFC 9535 beside them.

use proptest::prelude::*;
use sluice_expression::Value;
use sluice_expression::path::{Path, ReferencePath, Root, TooManyVisits, rfc9535};

const STORE: &str = r#"{
  "store": {
    "book": [
      {"category": "reference", "author": "Rees", "title": "Sayings", "price": 8.95},
      {"category": "fiction", "author": "Waugh", "title": "Sword", "price": 12.99},
      {"category": "fiction", "author": "Melville", "title": "Moby Dick", "isbn": "0-553", "price": 8.99},
      {"category": "fiction", "author": "Tolkien", "title": "The Lord", "isbn": "0-395", "price": 22.99}
    ],
    "bicycle": {"color": "red", "price": 19.95}
  },
  "limit": 10,
  "tags": ["a", "b", "c"],
  "scores": [3, 1, 2],
  "nothing": null,
  "with-dash": {"a b": 1, "it's": 2},
  "mixed": [1, "1", true, null, [5], {"x": 5}]
}"#;

fn json(text: &str) -> Value {
    Value::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn select(path: &str) -> Option<Value> {
    Path::parse(path).unwrap_or_else(|error| panic!("{path}: {error}")).select(&json(STORE))
}

#[track_caller]
fn finds(path: &str, expected: &str) {
    assert_eq!(select(path), Some(json(expected)), "{path}");
}

#[test]
fn a_definite_path_finds_the_value_itself() {
    finds("$.limit", "10");
    finds("$['limit']", "10");
    finds("$[\"limit\"]", "10");
    finds("$.store.book[0].author", r#""Rees""#);
    finds("$.store.book[-1]['title']", r#""The Lord""#);
    finds("$.nothing", "null");
    finds("$.with-dash['a b']", "1");
    finds(r"$['with-dash']['it\'s']", "2");
    finds("$.store.bicycle['color','price','wheels']", r#"{"color": "red", "price": 19.95}"#);
    assert_eq!(select("$"), Some(json(STORE)));
}

#[test]
fn an_indefinite_path_finds_an_array() {
    finds("$.store.book[*].author", r#"["Rees", "Waugh", "Melville", "Tolkien"]"#);
    finds("$.store.book[0,-1].price", "[8.95, 22.99]");
    finds("$.tags[1:]", r#"["b", "c"]"#);
    finds("$.tags[:-1]", r#"["a", "b"]"#);
    finds("$.tags[-2:]", r#"["b", "c"]"#);
    finds("$.tags[5:9]", "[]");
    finds("$.store.bicycle.*", r#"["red", 19.95]"#);
    finds("$..isbn", r#"["0-553", "0-395"]"#);
    finds("$.store..price", "[8.95, 12.99, 8.99, 22.99, 19.95]");
    finds("$..book[1].title", r#"["Sword"]"#);
    finds("$..['color']", r#"["red"]"#);
    finds("$.store.book[9:].author", "[]");
    finds("$.limit[*]", "[]");
    finds("$.store.book['author','title'].x", "[]");
}

#[test]
fn filters_test_items_and_objects() {
    let titles = |filter: &str, expected: &str| finds(&format!("$.store.book[?({filter})].title"), expected);
    titles("@.price < 9", r#"["Sayings", "Moby Dick"]"#);
    titles("@.isbn", r#"["Moby Dick", "The Lord"]"#);
    titles("!@.isbn", r#"["Sayings", "Sword"]"#);
    titles("!(@.isbn) && @.category == 'fiction'", r#"["Sword"]"#);
    titles("@.price > $.limit || @.author == \"Rees\"", r#"["Sayings", "Sword", "The Lord"]"#);
    titles("@['price']>=12.99&&@.isbn", r#"["The Lord"]"#);
    titles("@.author =~ /.*O.*k.*/i", r#"["The Lord"]"#);
    titles("@.author in ['Rees', 'Waugh']", r#"["Sayings", "Sword"]"#);
    titles("@.author nin ['Rees', 'Waugh']", r#"["Moby Dick", "The Lord"]"#);
    titles("@.title size 5", r#"["Sword"]"#);
    titles("@.title contains 'Moby'", r#"["Moby Dick"]"#);
    titles("@.isbn != null", r#"["Sayings", "Sword", "Moby Dick", "The Lord"]"#);
    finds("$.mixed[?(@ == 1)]", r#"[1, "1"]"#);
    finds("$.mixed[?(@ === 1)]", "[1]");
    finds("$.mixed[?(@.x)]", r#"[{"x": 5}]"#);
    finds("$.scores[?(@ > 1)]", "[3, 2]");
    finds("$.store.bicycle[?(@.color == 'red')].price", "[19.95]");
    finds("$..[?(@.color)]", r#"[{"color": "red", "price": 19.95}]"#);
    finds("$.tags[?(@ == 'nobody')]", "[]");
}

#[test]
fn functions_stand_at_the_end() {
    finds("$.store.book.length()", "4");
    finds("$.tags.length()", "3");
    finds("$.store.bicycle.keys()", r#"["color", "price"]"#);
    finds("$.scores.min()", "1");
    finds("$.scores.max()", "3");
    finds("$.scores.sum()", "6");
    finds("$.scores.avg()", "2");
    finds("$.scores.first()", "3");
    finds("$.scores.last()", "2");
    finds("$.scores.index(-2)", "1");
    finds("$..isbn.length()", "2");
    finds("$.scores.append(4)", "[3, 1, 2, 4]");
    finds("$.tags.concat('d')", r#""abcd""#);
    assert_eq!(select("$.limit.keys()"), None);
}

#[test]
fn what_is_missing_is_told_as_jayway_tells_it() {
    for (path, expected) in [
        ("$.no.such.path", "Missing property in path $['no']"),
        ("$.store.none", "No results for path: $['store']['none']"),
        ("$.limit.x", "Property ['x'] not found in path $['limit']"),
        ("$.tags[7]", "No results for path: $['tags'][7]"),
        ("$.nothing[0]", "The path $['nothing'] is null"),
        ("$.limit[0]", "Filter: [0] can only be applied to arrays. Current context is: 10"),
        ("$.limit.keys()", "No results for path: $['limit'].keys()"),
    ] {
        let missing = Path::parse(path).unwrap().find(&json(STORE)).unwrap_err();
        assert_eq!(missing.to_string(), expected, "{path}");
    }
}

#[test]
fn roots_are_data_context_and_variables() {
    for (path, root, is_root) in [
        ("$", Root::Data, true),
        ("$.a", Root::Data, false),
        ("$$", Root::Context, true),
        ("$$.Execution.Id", Root::Context, false),
        ("$name", Root::Variable("name".into()), true),
        ("$größe_2['a'].b", Root::Variable("größe_2".into()), false),
    ] {
        let path = Path::parse(path).unwrap();
        assert_eq!((path.root(), path.is_root()), (&root, is_root), "{path}");
    }
}

#[test]
fn what_is_no_path_is_refused_with_its_place() {
    for (path, position) in [
        ("", 0),
        ("a", 0),
        ("$.", 2),
        ("$x y", 2),
        ("$.a b", 3),
        ("$$23", 2),
        ("$.a[", 4),
        ("$.a['b", 4),
        ("$.a[b]", 4),
        ("$[1:2:3]", 5),
        ("$[99999999999999999999]", 2),
        ("$[?(@.a == )]", 11),
        ("$[?(1)]", 5),
        ("$.a.nonsense()", 4),
    ] {
        let error = Path::parse(path).unwrap_err();
        assert_eq!(error.position, position, "{path}: {error}");
    }
    assert!(Path::parse(&format!("$[?({}@.a{})]", "(".repeat(100), ")".repeat(100))).is_err());
    assert!(Path::parse(&"$.a".repeat(10_000)).is_err());
}

#[test]
fn a_prefix_ends_where_the_path_does() {
    for (text, length) in [("$.a, 1)", 3), ("$.a[0]) x", 6), ("$$.b", 4), ("$x,$y", 2)] {
        let (path, found) = Path::parse_prefix(text).unwrap();
        assert_eq!((path.source(), found), (&text[..length], length));
    }
}

#[test]
fn a_value_is_placed_where_a_reference_path_says() {
    for (into, path, expected) in [
        (r#"{"a": 1}"#, "$", r#""new""#),
        (r#"{"a": 1}"#, "$.b", r#"{"a": 1, "b": "new"}"#),
        (r#"{"a": 1}"#, "$.a", r#"{"a": "new"}"#),
        (r#"{"a": 1}"#, "$.b.c", r#"{"a": 1, "b": {"c": "new"}}"#),
        (r#"{"a": [1, 2]}"#, "$.a[1]", r#"{"a": [1, "new"]}"#),
        (r#"{"a": [1, 2]}"#, "$.a[2].b", r#"{"a": [1, 2, {"b": "new"}]}"#),
        ("null", "$.a", r#"{"a": "new"}"#),
    ] {
        let placed = ReferencePath::parse(path).unwrap().place(&json(into), "new".into());
        assert_eq!(placed, Ok(json(expected)), "{path} into {into}");
    }
    for (into, path) in
        [("1", "$.a"), (r#"{"a":"x"}"#, "$.a.b"), ("[]", "$[1]"), ("{}", "$[0]"), ("[]", "$.a")]
    {
        let placed = ReferencePath::parse(path).unwrap().place(&json(into), "new".into());
        let message = placed.unwrap_err().to_string();
        assert_eq!(message, format!("Unable to apply ReferencePath {path} to input {into}"));
    }
}

#[test]
fn a_reference_path_names_one_place() {
    for path in
        ["$.a[*]", "$..a", "$.a[1:2]", "$[?(@.a)]", "$['a','b']", "$.a[-1]", "$.a.length()", "$.a[0,1]"]
    {
        assert!(ReferencePath::parse(path).is_err(), "{path}");
    }
}

#[test]
fn a_path_visits_a_bounded_number_of_values() {
    let nested = json(&format!("{}1{}", "[".repeat(100), "]".repeat(100)));
    for path in [
        format!("${}", "..*".repeat(300)),
        format!("${}", "[0,0]".repeat(60)),
        format!("$[?(@{})]", "..*".repeat(30)),
        format!("$..*.concat($.a, ${})", "..*".repeat(30)),
    ] {
        let path = Path::parse(&path).unwrap();
        assert_eq!(path.search(&nested), Err(TooManyVisits), "{path}");
    }
    let missing = Path::parse(&format!("${}", "..*".repeat(30))).unwrap().find(&nested).unwrap_err();
    assert_eq!(missing.to_string(), TooManyVisits.to_string());
    let wide = Value::array(vec![Value::from(1); 1_000_000]);
    assert_eq!(Path::parse("$..*").unwrap().select(&wide), Some(wide));
}

#[test]
fn rfc_9535_finds_lists_and_knows_steps() {
    let select = |query: &str| Value::array(rfc9535::Query::parse(query).unwrap().select(&json(STORE)));
    assert_eq!(select("$.limit"), json("[10]"));
    assert_eq!(select("$.tags[::2]"), json(r#"["a", "c"]"#));
    assert_eq!(select("$.store.book[?@.price < 9].title"), json(r#"["Sayings", "Moby Dick"]"#));
    assert!(rfc9535::Query::parse("$.a b").is_err());
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,40}", tail in "[$@.\\[\\]()'?*:,0-9a-c&|=<>!/ -]{0,24}") {
        let _ = Path::parse(&text);
        if let Ok(path) = Path::parse(&format!("${tail}")) {
            let _ = path.find(&json(STORE));
            prop_assert_eq!(Path::parse(path.source()).unwrap().select(&json(STORE)), path.select(&json(STORE)));
        }
        let _ = Path::parse_prefix(&tail);
    }
}
