//! Each construct by example, each error by its place, and what holds of all trees. What holds of all
//! texts is in `tests/properties/`.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Checks what each text means, said as canonical text.
fn assert_means(examples: &[(&str, &str)]) {
    for (text, canonical) in examples {
        let tree = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")).expect("is not empty");
        assert_eq!(tree.to_string(), *canonical, "{text:?}");
        assert_eq!(unplaced(read(canonical)), unplaced(tree), "{canonical:?}");
    }
}

/// Checks at which character, counted from 0, each text is refused and with what beginning.
fn assert_refused(examples: &[(&str, usize, &str)]) {
    for (text, position, beginning) in examples {
        let error = parse(text).expect_err(text);
        assert_eq!(error.position, *position, "{text:?}: {error}");
        assert!(error.message.starts_with(beginning), "{text:?}: {error}");
    }
}

/// The tree of a text that is well formed and not empty.
fn read(text: &str) -> Expression {
    parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")).expect("is not empty")
}

/// The tree with every span set to nothing.
fn unplaced(expression: Expression) -> Expression {
    match expression {
        Expression::All => Expression::All,
        Expression::And(members) => Expression::And(members.into_iter().map(unplaced).collect()),
        Expression::Or(members) => Expression::Or(members.into_iter().map(unplaced).collect()),
        Expression::Not(operand) => Expression::Not(Box::new(unplaced(*operand))),
        Expression::Clause(clause) => Expression::Clause(Clause {
            field: clause.field.map(|field| Field { span: NOWHERE, ..field }),
            span: NOWHERE,
            ..clause
        }),
    }
}

/// The clauses of a tree, from left to right.
fn clauses(expression: &Expression) -> Vec<&Clause> {
    match expression {
        Expression::All => Vec::new(),
        Expression::And(members) | Expression::Or(members) => members.iter().flat_map(clauses).collect(),
        Expression::Not(operand) => clauses(operand),
        Expression::Clause(clause) => vec![clause],
    }
}

/// The condition of a filter that is one clause.
fn condition(text: &str) -> Condition {
    match read(text) {
        Expression::Clause(clause) => clause.condition,
        other => panic!("{text:?} is {other:?}"),
    }
}

/// The span of what has no place.
const NOWHERE: Span = Span { start: 0, end: 0 };

/// A value that was not quoted.
fn plain(text: &str) -> Value {
    Value { text: text.to_owned(), quoted: false }
}

/// A value that was quoted.
fn quoted(text: &str) -> Value {
    Value { text: text.to_owned(), quoted: true }
}

#[test]
fn nothing_is_no_filter_and_a_star_is_everything() {
    for empty in ["", " ", "\t\r\n", "\u{3000}\u{a0}"] {
        assert_eq!(parse(empty), Ok(None), "{empty:?}");
    }
    for all in ["*", "*:*", " ( * ) "] {
        assert_eq!(parse(all), Ok(Some(Expression::All)), "{all:?}");
    }
}

#[test]
fn a_tree_has_clauses_with_their_places_in_characters() {
    let tree = read("é name:x OR NOT n:(\"y z\" 1*)");
    let clause = |field: Option<(&str, Span)>, condition, start, end| {
        Expression::Clause(Clause {
            field: field.map(|(name, span)| Field { name: name.to_owned(), span }),
            condition,
            span: Span { start, end },
        })
    };
    let name = Some(("name", Span { start: 2, end: 6 }));
    let n = Some(("n", Span { start: 16, end: 17 }));
    let expected = Expression::Or(vec![
        Expression::And(vec![
            clause(None, Condition::Equals(plain("é")), 0, 1),
            clause(name, Condition::Equals(plain("x")), 2, 8),
        ]),
        Expression::Not(Box::new(Expression::And(vec![
            clause(n, Condition::Equals(quoted("y z")), 19, 24),
            clause(n, Condition::Prefix("1".to_owned()), 25, 27),
        ]))),
    ]);
    assert_eq!(tree, expected);
}

#[test]
fn words_phrases_and_fields() {
    assert_means(&[
        ("alice", "alice"),
        ("  alice  ", "alice"),
        ("\"Alice Smith\"", "\"Alice Smith\""),
        ("ali*", "ali*"),
        ("given_name:Alice", "given_name:Alice"),
        ("claims.family_name:\"van der Berg\"", "claims.family_name:\"van der Berg\""),
        ("claims.nickname:\"\"", "claims.nickname:\"\""),
        ("emails.domain:exam*", "emails.domain:exam*"),
        ("username:*", "username:*"),
        ("-username:*", "NOT username:*"),
        ("中文:\u{1f600}*", "中文:\u{1f600}*"),
    ]);
}

#[test]
fn operators_and_their_precedence() {
    assert_means(&[
        ("a b", "a AND b"),
        ("a AND b", "a AND b"),
        ("a && b", "a AND b"),
        ("a OR b", "a OR b"),
        ("a || b", "a OR b"),
        ("NOT a", "NOT a"),
        ("! a", "NOT a"),
        ("!a", "NOT a"),
        ("-a", "NOT a"),
        ("+a", "a"),
        ("+a -b +\"c d\" !\"e\"", "a AND NOT b AND \"c d\" AND NOT \"e\""),
        ("a OR b c", "a OR b AND c"),
        ("a b OR c d", "a AND b OR c AND d"),
        ("NOT a b", "NOT a AND b"),
        ("a NOT b OR NOT c", "a AND NOT b OR NOT c"),
        ("a AND NOT b", "a AND NOT b"),
        ("NOT NOT a", "NOT NOT a"),
        ("!-a", "NOT NOT a"),
        ("+-+a", "NOT a"),
        ("* -a", "*:* AND NOT a"),
        ("and or not", "and AND or AND not"),
        ("a&&b", "a&&b"),
        ("ANDy ORson", "ANDy AND ORson"),
    ]);
}

#[test]
fn parentheses_group_and_nested_operators_of_a_kind_become_one() {
    assert_means(&[
        ("(a)", "a"),
        ("((a b))", "a AND b"),
        ("(a OR b) c", "(a OR b) AND c"),
        ("(a OR b)(c OR d)", "(a OR b) AND (c OR d)"),
        ("a(b)", "a AND b"),
        ("a AND(b OR c)", "a AND (b OR c)"),
        ("(a b) (c d)", "a AND b AND c AND d"),
        ("a OR (b OR (c OR d))", "a OR b OR c OR d"),
        ("NOT (a b)", "NOT (a AND b)"),
        ("NOT(a)", "NOT a"),
        ("-(a OR b)", "NOT (a OR b)"),
        ("+(a OR b)", "a OR b"),
        ("( a )", "a"),
    ]);
}

#[test]
fn a_field_before_parentheses_is_the_field_of_all_in_them() {
    assert_means(&[
        ("n:(a OR b)", "n:a OR n:b"),
        ("n:(a b) c", "n:a AND n:b AND c"),
        ("n:(+a -\"b c\" (d OR e*))", "n:a AND NOT n:\"b c\" AND (n:d OR n:e*)"),
        ("n:([1 TO 2] OR >=5)", "n:[1 TO 2] OR n:>=5"),
        ("n:(*)", "n:*"),
        // The field is said, so a colon is plain.
        ("n:(https://a.example OR b:c)", "n:https://a.example OR n:b:c"),
        ("NOT n:(a)", "NOT n:a"),
    ]);
}

#[test]
fn ranges_and_comparisons() {
    assert_means(&[
        ("n:[1 TO 2]", "n:[1 TO 2]"),
        ("n:{1 TO 2}", "n:{1 TO 2}"),
        ("n:[1 TO 2}", "n:[1 TO 2}"),
        ("n:{1 TO 2]", "n:{1 TO 2]"),
        ("n:[ 1  TO  2 ]", "n:[1 TO 2]"),
        ("n:[\"a b\" TO \"*\"]", "n:[\"a b\" TO \"*\"]"),
        ("n:[-5 TO -1]", "n:[-5 TO -1]"),
        ("n:[\\TO TO TO]", "n:[\\TO TO \\TO]"),
        ("n:[1 TO *]", "n:>=1"),
        ("n:{1 TO *}", "n:>1"),
        ("n:[* TO 2]", "n:<=2"),
        ("n:{* TO 2}", "n:<2"),
        ("n:[* TO *]", "n:*"),
        ("n:>5 m:>=5 o:<5 p:<=5", "n:>5 AND m:>=5 AND o:<5 AND p:<=5"),
        ("n:>-5", "n:>-5"),
        ("n:>\"5\"", "n:>\"5\""),
        ("n:>\\=5", "n:>\\=5"),
    ]);
    assert_eq!(
        condition("n:{1 TO \"2\"]"),
        Condition::Range { lower: Bound::Excluded(plain("1")), upper: Bound::Included(quoted("2")) }
    );
    assert_eq!(
        condition("n:<=2"),
        Condition::Range { lower: Bound::Unbounded, upper: Bound::Included(plain("2")) }
    );
}

#[test]
fn a_value_is_plain_to_white_space_or_a_parenthesis() {
    for (text, value) in [
        ("O'Neil", "O'Neil"),
        ("alice@example.com", "alice@example.com"),
        ("a-b+c!d", "a-b+c!d"),
        ("what?", "what?"),
        ("+441514960453", "+441514960453"),
        ("user_id:-abc", "-abc"),
        ("phone_numbers.phone:+4415", "+4415"),
        ("claims.website:https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("claims.website:https://example.com:8080/~a&&b|c^2", "https://example.com:8080/~a&&b|c^2"),
        ("n:!x", "!x"),
        ("n:AND", "AND"),
        ("n:a=b;c", "a=b;c"),
        ("last_sign_in_attempt_ip:2001:db8::1", "2001:db8::1"),
    ] {
        assert_eq!(condition(text), Condition::Equals(plain(value)), "{text:?}");
    }
    assert_means(&[("+4415*", "+4415*"), ("-+4415", "NOT +4415"), ("++4415", "+4415")]);
}

#[test]
fn quotes_and_backslashes_make_characters_plain() {
    for (text, value) in [
        (r#"n:"a \"b\" c""#, quoted(r#"a "b" c"#)),
        (r#"n:"a\\""#, quoted(r"a\")),
        (r#"n:"C:\dir""#, quoted(r"C:\dir")),
        (r#"n:"* OR (x) [1 TO 2] y:z""#, quoted("* OR (x) [1 TO 2] y:z")),
        (r#""AND""#, quoted("AND")),
        (r"n:a\ b", plain("a b")),
        (r"n:a\*", plain("a*")),
        (r"n:\*", plain("*")),
        (r"n:\(a\)", plain("(a)")),
        (r#"n:6'2\""#, plain("6'2\"")),
        (r"a\:b", plain("a:b")),
        (r"\AND", plain("AND")),
        (r"\-a", plain("-a")),
        (r"\+a", plain("+a")),
        (r"\\", plain(r"\")),
        (r"n:\[x", plain("[x")),
        (r"n:\>5", plain(">5")),
    ] {
        assert_eq!(condition(text), Condition::Equals(value), "{text:?}");
    }
    assert_eq!(condition(r"John\ S*"), Condition::Prefix("John S".to_owned()));
    assert_eq!(condition(r"n:a\**"), Condition::Prefix("a*".to_owned()));
    let named = read(r"private_data.a\:b\ c:1");
    assert_eq!(
        clauses(&named)[0].field.as_ref().map(|field| field.name.as_str()),
        Some("private_data.a:b c")
    );
}

#[test]
fn sql_is_text_like_any_other() {
    for (text, value) in [
        ("username:'", "'"),
        ("username:';--", "';--"),
        ("username:1;DROP", "1;DROP"),
        ("username:%_", "%_"),
        ("username:$1", "$1"),
    ] {
        assert_eq!(condition(text), Condition::Equals(plain(value)), "{text:?}");
    }
    assert_means(&[
        ("x' OR '1'='1", "x' OR '1'='1"),
        ("a'; DROP TABLE users", "a'; AND DROP AND TABLE AND users"),
    ]);
    assert_refused(&[
        ("username:x') OR 1=1", 11, "Nothing opens"),
        ("username:x\" OR 1=1 --", 10, "Put quotation"),
    ]);
}

#[test]
fn what_is_not_balanced_points_at_its_own_beginning() {
    assert_refused(&[
        ("(a", 0, "Close this parenthesis"),
        ("é (a (b)", 2, "Close this parenthesis"),
        ("n:(a OR (b)", 2, "Close this parenthesis"),
        ("(", 0, "Close this parenthesis"),
        (")", 0, "Nothing opens"),
        ("a) b", 1, "Nothing opens"),
        ("\"a b", 0, "Close this quotation"),
        ("é n:\"a\\\"", 4, "Close this quotation"),
        ("a\"b c\"", 1, "Put quotation"),
        ("n:[1 TO 2", 2, "A range is written"),
        ("n:[1 TO", 2, "A range is written"),
        ("n:[", 2, "A range is written"),
    ]);
}

#[test]
fn what_lacks_something_is_pointed_at() {
    assert_refused(&[
        ("n:", 1, "Put a value"),
        ("é n: a", 3, "Put a value"),
        ("(n:)", 2, "Put a value"),
        ("n:>", 2, "Put a value"),
        ("n:>= 5", 2, "Put a value"),
        (":a", 0, "Put a field"),
        ("a :b", 2, "Put a field"),
        ("[1 TO 2]", 0, "Put a field"),
        ("a >5", 2, "Put a field"),
        ("()", 0, "Put something between"),
        ("a n:( )", 4, "Put something between"),
        ("a OR", 2, "Put something after"),
        ("a AND", 2, "Put something after"),
        ("(a ||) b", 3, "Put something after"),
        ("NOT", 0, "Put something after"),
        ("a AND NOT", 6, "Put something after"),
        ("a OR OR b", 2, "Put something after"),
        ("NOT AND b", 0, "Put something after"),
        ("-AND", 0, "Put something after"),
        ("OR a", 0, "Put something before"),
        ("(AND a)", 1, "Put something before"),
        ("a -", 2, "Put what is meant"),
        ("a - b", 2, "Put what is meant"),
        ("(a +)", 3, "Put what is meant"),
        ("a\\", 1, "Put the character"),
    ]);
}

#[test]
fn ranges_stars_and_what_follows_a_value_are_checked() {
    assert_refused(&[
        ("n:[1, 2]", 6, "A range is written"),
        ("n:[1]", 4, "A range is written"),
        ("n:[]", 3, "A range is written"),
        ("n:[1 to 2]", 5, "A range is written"),
        ("n:[TO 2]", 3, "A range is written"),
        ("n:[1 TO ]", 8, "A range is written"),
        ("n:[1 TO 2 TO 3]", 10, "A range is written"),
        ("n:[1 TO 2)", 9, "A range is written"),
        ("n:[a* TO b]", 4, "A range or comparison"),
        ("n:>a*", 4, "A range or comparison"),
        ("n:>*", 3, "A range or comparison"),
        ("n:[1 TO *]x", 10, "Put a space"),
        ("*a", 0, "A * stands"),
        ("a*b", 1, "A * stands"),
        ("n:a**", 3, "A * stands"),
        ("*:a", 0, "Write the whole name"),
        ("emails.*:a", 7, "Write the whole name"),
        ("\"a\"b", 3, "Put a space"),
        ("n:\"a\"*", 5, "Put a space"),
        ("\"a\":b", 3, "Put a space"),
    ]);
}

#[test]
fn a_filter_has_at_most_4096_bytes() {
    assert!(parse(&"x".repeat(4096)).is_ok());
    assert_refused(&[(&"x".repeat(4097), 4096, "A filter has at most 4096 bytes")]);
    assert_refused(&[(&"é".repeat(2049), 2048, "A filter has at most 4096 bytes")]);
    assert_refused(&[(&" ".repeat(5000), 4096, "A filter has at most 4096 bytes")]);
}

#[test]
fn a_filter_has_at_most_100_clauses() {
    assert_eq!(clauses(&read(&"x ".repeat(100))).len(), 100);
    assert_refused(&[
        (&"x ".repeat(101), 200, "A filter has at most 100 clauses"),
        (&"* ".repeat(101), 200, "A filter has at most 100 clauses"),
        (&format!("n:({})", "x ".repeat(101)), 203, "A filter has at most 100 clauses"),
    ]);
}

#[test]
fn a_filter_has_at_most_32_levels() {
    let nested = |open: &str, levels: usize, close: &str| open.repeat(levels) + "x" + &close.repeat(levels);
    for (open, close) in [("(", ")"), ("NOT ", ""), ("!", ""), ("-", "")] {
        assert!(parse(&nested(open, 32, close)).is_ok(), "{open:?}");
        let place = 32 * open.len();
        assert_refused(&[(&nested(open, 33, close), place, "A filter has at most 32 levels")]);
    }
    // Levels that are closed count no more, and requiring something is no level.
    assert!(parse(&"(x)".repeat(50)).is_ok());
    assert!(parse(&"NOT x ".repeat(50)).is_ok());
    assert!(parse(&nested("+", 1000, "")).is_ok());
}

#[test]
fn thousands_of_parentheses_are_an_error_and_no_more() {
    assert_refused(&[
        (&"(".repeat(4000), 32, "A filter has at most 32 levels"),
        (&"n:(".repeat(1300), 98, "A filter has at most 32 levels"),
        (&"NOT ".repeat(1000), 128, "A filter has at most 32 levels"),
        (&"-(".repeat(2000), 32, "A filter has at most 32 levels"),
        (&")".repeat(4000), 0, "Nothing opens"),
    ]);
}

#[test]
fn people_read_places_counted_from_1() {
    let error = parse("a OR").expect_err("nothing follows");
    assert_eq!(
        error.to_string(),
        "The filter is wrong at character 3. Put something after this operator, or quotation marks around it \
         if it is a word."
    );
}

/// Words of characters that are likely to be misread.
fn any_word() -> impl Strategy<Value = String> {
    let characters = select("abé😀50 \t\"\\()[]{}<>=*:+-!&|.'/?".chars().collect::<Vec<_>>());
    prop_oneof![
        vec(characters, 1..5).prop_map(String::from_iter),
        select(vec!["AND", "OR", "NOT", "TO", "&&", "||"]).prop_map(str::to_owned),
    ]
}

/// Values of both kinds.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any_word().prop_map(|text| plain(&text)),
        any_word().prop_map(|text| quoted(&text)),
        Just(quoted(""))
    ]
}

/// Ends of a range.
fn any_end() -> impl Strategy<Value = Bound<Value>> {
    prop_oneof![
        any_value().prop_map(Bound::Included),
        any_value().prop_map(Bound::Excluded),
        Just(Bound::Unbounded),
    ]
}

/// Clauses that the parser could have made, but for their places.
fn any_clause() -> impl Strategy<Value = Expression> {
    let clause = |field: Option<String>, condition| {
        let field = field.map(|name| Field { name, span: NOWHERE });
        Expression::Clause(Clause { field, condition, span: NOWHERE })
    };
    let bare =
        prop_oneof![any_value().prop_map(Condition::Equals), any_word().prop_map(Condition::Prefix)].boxed();
    let range = (any_end(), any_end()).prop_map(|ends| match ends {
        (Bound::Unbounded, Bound::Unbounded) => Condition::Present,
        (lower, upper) => Condition::Range { lower, upper },
    });
    let of_a_field = prop_oneof![bare.clone(), range, Just(Condition::Present)];
    prop_oneof![
        bare.prop_map(move |condition| clause(None, condition)),
        (any_word(), of_a_field).prop_map(move |(name, condition)| clause(Some(name), condition)),
    ]
}

/// Trees within the bounds that the parser could have made, but for their places.
fn any_tree() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![1 => Just(Expression::All), 9 => any_clause()];
    leaf.prop_recursive(3, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(Expression::all_of),
            vec(inner.clone(), 1..4).prop_map(Expression::any_of),
            inner.prop_map(|operand| Expression::Not(Box::new(operand))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_tree_is_read_back_from_its_text(tree in any_tree()) {
        prop_assert_eq!(unplaced(read(&tree.to_string())), tree);
    }
}
