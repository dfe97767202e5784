//! Words: names, keywords, and comparators that are words.

use super::{Kind, is_first_of_name, is_space, is_word, length_while};

/// Words that are keywords even behind a point or before a parenthesis.
const ALWAYS: &[&str] = &["CASE", "IN", "VALUES", "USING", "FROM", "AS"];

/// Words that stand for types.
const BUILTINS: &[&str] = &[
    "ARRAY",
    "BIGINT",
    "BINARY",
    "BIT",
    "BLOB",
    "BOOLEAN",
    "CHAR",
    "CHARACTER",
    "DATE",
    "DECIMAL",
    "FLOAT",
    "INT",
    "INTEGER",
    "INTERVAL",
    "LONG",
    "MAP",
    "NUMBER",
    "NUMERIC",
    "REAL",
    "ROWID",
    "SERIAL",
    "SMALLINT",
    "STRING",
    "STRUCT",
    "TEXT",
    "TIMESTAMP",
    "TINYINT",
    "UNSIGNED",
    "VARCHAR",
];

/// Words of SQL that a name cannot be when it stands alone; no list of all, since the others are no name that we know.
const KEYWORDS: &[&str] = &[
    "ABS",
    "ADD",
    "AFTER",
    "ALL",
    "ALTER",
    "AND",
    "ANY",
    "AS",
    "AVG",
    "BEFORE",
    "BEGIN",
    "BETWEEN",
    "BOTH",
    "BY",
    "CASE",
    "CAST",
    "CHECK",
    "COLUMN",
    "COMMENT",
    "COMMIT",
    "CONSTRAINT",
    "COUNT",
    "CREATE",
    "CROSS",
    "DATA",
    "DAY",
    "DEFAULT",
    "DELETE",
    "DISTINCT",
    "DOUBLE",
    "DROP",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXISTS",
    "FALSE",
    "FETCH",
    "FINAL",
    "FIRST",
    "FOR",
    "FREE",
    "FROM",
    "GLOBAL",
    "GRANT",
    "GROUP",
    "HAVING",
    "HOST",
    "HOUR",
    "IF",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "LANGUAGE",
    "LAST",
    "LEFT",
    "LENGTH",
    "LEVEL",
    "LIKE",
    "ILIKE",
    "LIMIT",
    "LOCATION",
    "LOCK",
    "MATCH",
    "MAX",
    "METHOD",
    "MIN",
    "MINUTE",
    "MODE",
    "MODULE",
    "MONTH",
    "NATURAL",
    "NEW",
    "NEXT",
    "NONE",
    "NOT",
    "NOTHING",
    "NULL",
    "OBJECT",
    "OF",
    "OFF",
    "OFFSET",
    "OLD",
    "ON",
    "ONLY",
    "OPEN",
    "OPERATION",
    "OPTION",
    "OPTIONS",
    "OR",
    "ORDER",
    "OUT",
    "OUTER",
    "OUTPUT",
    "OWNER",
    "PARAMETER",
    "PARAMETERS",
    "PATH",
    "POSITION",
    "PRECISION",
    "PRIMARY",
    "PUBLIC",
    "READ",
    "REF",
    "REGEXP",
    "RESULT",
    "RETURN",
    "RIGHT",
    "ROLE",
    "ROW",
    "ROWS",
    "SCHEMA",
    "SCOPE",
    "SEARCH",
    "SECOND",
    "SECTION",
    "SELECT",
    "SELF",
    "SESSION",
    "SET",
    "SHARE",
    "SIMPLE",
    "SIZE",
    "SOME",
    "SOURCE",
    "SPACE",
    "SQL",
    "START",
    "STATEMENT",
    "STATIC",
    "STATISTICS",
    "STRUCTURE",
    "SUM",
    "SYSTEM",
    "TABLE",
    "TEMP",
    "TEMPORARY",
    "THAN",
    "THEN",
    "TIME",
    "TO",
    "TRANSACTION",
    "TRIGGER",
    "TRUE",
    "TYPE",
    "UNION",
    "UNIQUE",
    "UNKNOWN",
    "UPDATE",
    "USAGE",
    "USE",
    "USER",
    "USING",
    "VALIDATE",
    "VALUES",
    "VARIABLE",
    "VERSION",
    "VIEW",
    "WHEN",
    "WHERE",
    "WHILE",
    "WITH",
    "WORK",
    "WRITE",
    "YEAR",
    "ZONE",
];

/// The kind and the length of the token that a word begins.
pub(super) fn word(rest: &str, first: char, before: Option<char>) -> (Kind, usize) {
    let length = length_while(rest, is_word);
    let is = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(&rest[..length]));
    if is(ALWAYS) {
        return (Kind::Keyword, length);
    }
    if is_first_of_name(first) {
        let behind = rest[length..].trim_start_matches(is_space);
        let is_member = behind.strip_prefix('.').is_some_and(|key| !key.starts_with(|c: char| c.is_ascii_digit()));
        if is_member || before == Some('.') || rest[length..].starts_with('(') {
            return (Kind::Name, length);
        }
    }
    if is(&["ASC", "DESC"]) {
        let nulls = phrase(&rest[length..], &["NULLS"]).and_then(|it| {
            let place = phrase(&rest[length + it..], &["FIRST", "LAST"])?;
            Some(it + place)
        });
        return (Kind::Order, length + nulls.unwrap_or(0));
    }
    if is(&["NOT"]) {
        if let Some(null) = phrase(&rest[length..], &["NULL"]) {
            return (Kind::Keyword, length + null);
        }
        if let Some(like) = phrase(&rest[length..], &["LIKE", "ILIKE", "RLIKE", "REGEXP"]) {
            return (Kind::Comparator, length + like);
        }
    }
    if is(&["LIKE", "ILIKE", "RLIKE", "REGEXP"]) {
        return (Kind::Comparator, length);
    }
    let length = length_while(rest, |c| is_word(c) || matches!(c, '$' | '#'));
    let is = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(&rest[..length]));
    if is(BUILTINS) {
        (Kind::Builtin, length)
    } else if is(KEYWORDS) {
        (Kind::Keyword, length)
    } else {
        (Kind::Name, length)
    }
}

/// The length of white space and one of the words behind it.
fn phrase(rest: &str, words: &[&str]) -> Option<usize> {
    let space = length_while(rest, is_space);
    let length = length_while(&rest[space..], is_word);
    let word = &rest[space..space + length];
    (space > 0 && words.iter().any(|known| known.eq_ignore_ascii_case(word))).then_some(space + length)
}
