//! Paths, predicates, bindings, grouping, sorting, functions.

use super::table;

const ORDERS: &str = r#"{
    "name": "Firefly",
    "orders": [
        {"id": "o1", "products": [
            {"sku": "hat", "price": 10, "quantity": 2, "tags": ["red", "felt"]},
            {"sku": "cap", "price": 5, "quantity": 1, "tags": []}]},
        {"id": "o2", "products": [
            {"sku": "hat", "price": 10, "quantity": 4, "tags": ["red"]},
            {"sku": "cloak", "price": 100, "quantity": 1}]}
    ]}"#;

#[test]
fn paths_flatten_and_one_result_stands_for_itself() {
    table(
        ORDERS,
        &[
            ("name", r#""Firefly""#),
            ("orders.id", r#"["o1","o2"]"#),
            ("orders.products.sku", r#"["hat","cap","hat","cloak"]"#),
            ("orders.products.tags", r#"["red","felt","red"]"#),
            ("orders[0].products[0].tags", r#"["red","felt"]"#),
            ("orders.products[0].sku", r#"["hat","hat"]"#),
            ("(orders.products)[0].sku", r#""hat""#),
            ("orders.products[sku='cap'].price", "5"),
            ("orders.products[sku='cap'].price[]", "[5]"),
            ("orders[].products[sku='cap'].price", "[5]"),
            ("orders.nothing", "undefined"),
            ("orders.nothing[]", "undefined"),
            ("nothing.at.all", "undefined"),
            ("orders[-1].id", r#""o2""#),
            ("orders[[0..1]].id", r#"["o1","o2"]"#),
            ("orders[5]", "undefined"),
            ("orders.products[1][0].sku", r#"["cap","cloak"]"#),
            ("orders.[id, products.price]", r#"[["o1",10,5],["o2",10,100]]"#),
            ("orders.(products.price)", "[10,5,10,100]"),
            ("orders.products.'sku'", r#"["hat","cap","hat","cloak"]"#),
            ("$.name & '!'", r#""Firefly!""#),
            ("$$.orders[0].id", r#""o1""#),
            ("**.sku", r#"["hat","cap","hat","cloak"]"#),
            ("orders[0].products[1].*", r#"["cap",5,1]"#),
            ("orders.products[quantity > 1 and price < 50].sku", r#"["hat","hat"]"#),
        ],
    );
}

#[test]
fn arrays_keep_their_shape_where_they_are_written() {
    table(
        r#"{"a": [1], "b": [[1, 2], [3]], "c": []}"#,
        &[
            ("a", "[1]"),
            ("a.$", "1"),
            ("b", "[[1,2],[3]]"),
            ("b.$", "[1,2,3]"),
            ("b[0]", "[1,2]"),
            ("c", "[]"),
            ("c.$", "undefined"),
            ("[a, b]", "[1,[1,2],[3]]"),
            ("[[a], b[1]]", "[[1],3]"),
            ("[1..3, 5]", "[1,2,3,5]"),
            ("[3..1]", "[]"),
            ("[c]", "[]"),
            ("{'x': a, 'y': nothing}", r#"{"x":[1]}"#),
        ],
    );
    table(r#"[{"a": 1}, {"a": [2, 3]}]"#, &[("a", "[1,2,3]"), ("$[0].a", "1"), ("$count($)", "2")]);
}

#[test]
fn parents_are_found_through_steps_blocks_and_predicates() {
    table(
        ORDERS,
        &[
            ("orders.products.{'s': sku, 'o': %.id}.o", r#"["o1","o1","o2","o2"]"#),
            ("orders.products[%.id='o2'].sku", r#"["hat","cloak"]"#),
            ("orders.products.price.%.%.id", r#"["o1","o1","o2","o2"]"#),
            // Where something is bound, a predicate counts over all results of the step.
            ("orders.products[%.%.name='Firefly'][1].sku", r#""cap""#),
            ("(orders.products).(%.id & sku)", r#"["o1hat","o1cap","o2hat","o2cloak"]"#),
            ("orders.products^(%.id, price).sku", r#"["cap","hat","hat","cloak"]"#),
            ("%", "S0217"),
            ("name.%.%", "S0217"),
        ],
    );
}

#[test]
fn focus_and_index_are_bound_on_the_way() {
    let library = r#"{
        "books": [{"isbn": 1, "title": "Alpha"}, {"isbn": 2, "title": "Beta"}],
        "loans": [{"isbn": 2, "who": "ann"}, {"isbn": 1, "who": "bob"}]}"#;
    table(
        library,
        &[
            (
                "loans@$l.books@$b[$l.isbn=$b.isbn].{'t': $b.title, 'w': $l.who}",
                r#"[{"t":"Beta","w":"ann"},{"t":"Alpha","w":"bob"}]"#,
            ),
            ("books#$i.{'i': $i, 't': title}", r#"[{"i":0,"t":"Alpha"},{"i":1,"t":"Beta"}]"#),
            ("books#$i[$i=1].title", r#""Beta""#),
            ("books^(>title)#$i.($i & title)", r#"["0Beta","1Alpha"]"#),
            ("books[isbn>0]#$i.$i", "[0,1]"),
            ("books@$b{$b.title: $b.isbn}", r#"{"Alpha":1,"Beta":2}"#),
            ("books[0]@$b", "S0215"),
            ("books^(title)@$b", "S0216"),
            ("books@1", "S0214"),
        ],
    );
}

#[test]
fn grouping_gathers_what_has_the_same_key() {
    table(
        ORDERS,
        &[
            ("orders.products{sku: $sum(quantity)}", r#"{"hat":6,"cap":1,"cloak":1}"#),
            ("orders{id: $count(products)}", r#"{"o1":2,"o2":2}"#),
            ("{name: 1, 'Firefly': 2}", "D1009"),
            ("{1: 2}", "T1003"),
            ("orders.products{sku: price}{sku: price}", "S0210"),
            ("orders.products{sku: price}[0]", "S0209"),
            ("nothing{'a': 1}", r#"{"a":1}"#),
        ],
    );
}

#[test]
fn order_by_sorts_by_each_key_in_turn() {
    table(
        ORDERS,
        &[
            ("orders.products^(price).price", "[5,10,10,100]"),
            ("orders.products^(>price, <quantity).quantity", "[1,2,4,1]"),
            ("orders.products^(tags[0], sku).sku", r#"["hat","hat","cap","cloak"]"#),
            ("orders^(products)", "T2008"),
            ("[{'k': 1}, {'k': 'a'}]^(k)", "T2007"),
        ],
    );
}

#[test]
fn operators_agree_on_types() {
    table(
        ORDERS,
        &[
            ("1 + 2 * 3 - 4 / 2 % 3", "5"),
            ("-(2)", "-2"),
            ("1 + nothing", "undefined"),
            ("1 + 'a'", "T2002"),
            ("'a' + 1", "T2001"),
            ("-'a'", "D1002"),
            ("1 / (10e300 * 10e100)", "D1001"),
            ("1 / 0", "D1001"),
            ("1 < 2 and 'a' < 'b'", "true"),
            ("1 < 'a'", "T2009"),
            ("1 < true", "T2010"),
            ("nothing < 1", "undefined"),
            ("nothing = nothing", "false"),
            ("nothing != 1", "false"),
            ("{'a': 1, 'b': [2]} = {'b': [2], 'a': 1}", "true"),
            ("1 = '1'", "false"),
            ("'x' in ['x', 'y']", "true"),
            ("3 in nothing", "false"),
            ("'a' & 1 & null & nothing & [1, 'b']", r#""a1null[1,\"b\"]""#),
            ("false or 'x'", "true"),
            ("true ? 1", "1"),
            ("false ? 1", "undefined"),
            ("nothing ?? 'default'", r#""default""#),
            ("0 ?? 'default'", "0"),
            ("0 ?: 'default'", r#""default""#),
            ("[1..'b']", "T2004"),
            ("['a'..2]", "T2003"),
            ("[1.5..2]", "T2003"),
            ("[1..10000001]", "D2014"),
        ],
    );
}

#[test]
fn functions_are_values() {
    table(
        ORDERS,
        &[
            ("($f := function($x) { $x * 2 }; $f(4))", "8"),
            ("λ($x, $y){ $x & $y }('a')", r#""a""#),
            ("($x := 1; $f := function() { $x }; $x := 2; $f())", "2"),
            ("($x := 1; ($x := 2); $x)", "1"),
            ("($fact := function($n) { $n <= 1 ? 1 : $n * $fact($n - 1) }; $fact(10))", "3628800"),
            ("($add := function($a, $b) { $a + $b }; $inc := $add(1, ?); $inc(2))", "3"),
            ("$substring(?, 0, 3)('abcdef')", r#""abc""#),
            ("('abc' ~> $uppercase ~> $length) + 1", "4"),
            ("($f := $trim ~> $uppercase; $f('  a '))", r#""A""#),
            ("'abc' ~> $substring(1)", r#""bc""#),
            ("1 ~> 2", "T2006"),
            ("uppercase('a')", "T1005"),
            ("$nope('a')", "T1006"),
            ("uppercase(?)", "T1007"),
            ("$nope(?)", "T1008"),
            ("function($a)<n:n>{ $a }('x')", "T0410"),
            ("function($a)<a<n>:n>{ $a }(['x'])", "T0412"),
            ("function($a, $b)<s-n:s>{ $a & $b }(1)", "T0411"),
            ("name.function($a, $b)<s-n:s>{ $a & $b }(1)", r#""Firefly1""#),
            ("[function($x) { $x + 1 }][0](1)", "2"),
            ("{'f': function($x) { $x + 1 }}.f(1)", "2"),
            ("[1, function() { 1 }]", "[1,null]"),
            (
                "(λ($f) { λ($x) { $x($x) }(λ($g) { $f(λ($a) { ($g($g))($a) }) }) })
              (λ($f) { λ($n) { $n < 2 ? $n : $f($n - 1) + $f($n - 2) } })(10)",
                "55",
            ),
        ],
    );
}

#[test]
fn tail_calls_need_no_depth() {
    table(
        "null",
        &[
            (
                "($even := function($n) { $n = 0 ? true : $odd($n - 1) };
                  $odd := function($n) { $n = 0 ? false : $even($n - 1) }; $even(20001))",
                "false",
            ),
            (
                "($sum := function($n, $a) { ($m := $n - 1; $n = 0 ? $a : $sum($m, $a + $n)) }; $sum(5000, 0))",
                "12502500",
            ),
        ],
    );
}

#[test]
fn transforms_change_a_copy() {
    table(
        ORDERS,
        &[
            (
                "orders[0].products[1] ~> |$|{'price': price * 2}, ['tags', 'quantity']|",
                r#"{"sku":"cap","price":10}"#,
            ),
            (
                "($x := $ ~> |orders.products|{'total': price * quantity}|; $x.orders.products.total)",
                "[20,5,40,100]",
            ),
            ("($x := $ ~> |orders.products|{'price': 0}|; orders.products.price)", "[10,5,10,100]"),
            ("$ ~> |orders|5|", "T2011"),
            ("$ ~> |orders|{}, 5|", "T2012"),
            ("'a' ~> |a|{}|", "T0410"),
            ("($clone := 1; $ ~> |orders|{}|)", "T2013"),
            // An object that is put into itself.
            ("{'a': {'b': 1}} ~> |a|{'self': $}|", r#"{"a":{"b":1,"self":{"b":1}}}"#),
        ],
    );
}
