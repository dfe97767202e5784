//! Puts tokens together that belong together, in the steps and the order in which MLflow's SQL parser does: what a
//! filter means, and which piece of a broken one is named, follows from these steps alone.

use super::lexer::{Kind, Token};

/// A token, or several that belong together, of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'f> {
    pub(crate) kind: Kind,
    pub(crate) text: &'f str,
    /// Where the piece starts in the filter.
    start: usize,
    /// The two sides of a comparison and the comparator between them; empty for every other kind.
    pub(crate) parts: Vec<Piece<'f>>,
}

impl Piece<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether this is the keyword, in any case.
    pub(crate) fn is_keyword(&self, keyword: &str) -> bool {
        self.kind == Kind::Keyword && self.text.eq_ignore_ascii_case(keyword)
    }

    fn is_mark(&self, mark: &str) -> bool {
        self.kind == Kind::Punctuation && self.text == mark
    }

    /// A name, or a text in double quotes, that is not grouped yet.
    fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Name | Kind::Symbol)
    }

    /// What a comma can stand between.
    fn is_listed(&self) -> bool {
        let is_value = self.is_operand() && !matches!(self.kind, Kind::Parenthesis | Kind::TypedLiteral);
        is_value || matches!(self.kind, Kind::Comparison | Kind::List | Kind::Keyword | Kind::Wildcard)
    }

    /// What an operator can stand between.
    fn is_operand(&self) -> bool {
        matches!(
            self.kind,
            Kind::Parenthesis
                | Kind::Function
                | Kind::Identifier
                | Kind::Operation
                | Kind::TypedLiteral
                | Kind::Integer
                | Kind::Float
                | Kind::Text
                | Kind::Symbol
                | Kind::Name
                | Kind::Placeholder
        )
    }
}

/// The pieces of a filter, white space among them.
pub(crate) fn group<'f>(filter: &'f str, tokens: &[Token<'f>]) -> Vec<Piece<'f>> {
    let pieces = tokens.iter().map(|it| Piece { kind: it.kind, text: it.text, start: it.start, parts: Vec::new() });
    let mut pieces = parentheses(filter, pieces.collect());
    pieces = with_next(filter, pieces, Kind::Function, |piece, next| {
        matches!(piece.kind, Kind::Name | Kind::Builtin | Kind::Placeholder) && next.kind == Kind::Parenthesis
    });
    pieces = members(filter, pieces);
    for piece in &mut pieces {
        if piece.is_name() {
            piece.kind = Kind::Identifier;
        }
    }
    pieces = with_next(filter, pieces, Kind::Identifier, |piece, next| {
        let is_sorted = matches!(piece.kind, Kind::Identifier | Kind::Integer | Kind::Float | Kind::Hexadecimal);
        is_sorted && next.kind == Kind::Order
    });
    pieces = between(filter, pieces, Kind::Identifier, |it| it.is_mark("::"), |_| true);
    pieces = with_next(filter, pieces, Kind::TypedLiteral, |piece, next| {
        piece.kind == Kind::Builtin && next.kind == Kind::Text
    });
    let is_operator = |it: &Piece<'_>| matches!(it.kind, Kind::Operator | Kind::Wildcard);
    pieces = between(filter, pieces, Kind::Operation, is_operator, Piece::is_operand);
    let is_comparator = |it: &Piece<'_>| it.kind == Kind::Comparator;
    pieces = between(filter, pieces, Kind::Comparison, is_comparator, |it| {
        it.is_operand() || it.is_keyword("NULL") || it.kind == Kind::Comparison
    });
    // A name behind something is taken for what it is called.
    pieces = with_next(filter, pieces, Kind::Identifier, |piece, next| {
        let can_be_called = matches!(
            piece.kind,
            Kind::Parenthesis
                | Kind::Function
                | Kind::Identifier
                | Kind::Operation
                | Kind::Comparison
                | Kind::Integer
                | Kind::Float
                | Kind::Hexadecimal
        );
        can_be_called && next.kind == Kind::Identifier
    });
    between(filter, pieces, Kind::List, |it| it.is_mark(","), Piece::is_listed)
}

/// One piece out of those from `first` to `last`.
fn joined<'f>(filter: &'f str, kind: Kind, first: &Piece<'f>, last: &Piece<'f>) -> Piece<'f> {
    Piece { kind, text: &filter[first.start..last.end()], start: first.start, parts: Vec::new() }
}

/// Makes one piece of each pair of parentheses and what stands between them.
fn parentheses<'f>(filter: &'f str, pieces: Vec<Piece<'f>>) -> Vec<Piece<'f>> {
    let mut found: Vec<Piece<'f>> = Vec::with_capacity(pieces.len());
    let mut open: Vec<usize> = Vec::new();
    for piece in pieces {
        if piece.is_mark(")")
            && let Some(place) = open.pop()
        {
            let whole = joined(filter, Kind::Parenthesis, &found[place], &piece);
            found.truncate(place);
            found.push(whole);
            continue;
        }
        if piece.is_mark("(") {
            open.push(found.len());
        }
        found.push(piece);
    }
    found
}

/// Joins a piece and the one behind it, across white space, where `belong` says so; a joined one is not joined again.
fn with_next<'f>(
    filter: &'f str,
    pieces: Vec<Piece<'f>>,
    kind: Kind,
    belong: impl Fn(&Piece<'f>, &Piece<'f>) -> bool,
) -> Vec<Piece<'f>> {
    let mut found: Vec<Piece<'f>> = Vec::with_capacity(pieces.len());
    // The place of the last piece that is no white space, unless it is a joined one.
    let mut last: Option<usize> = None;
    for piece in pieces {
        if piece.kind == Kind::Space {
            found.push(piece);
            continue;
        }
        match last {
            Some(place) if belong(&found[place], &piece) => {
                let whole = joined(filter, kind, &found[place], &piece);
                found.truncate(place);
                found.push(whole);
                last = None;
            }
            _ => {
                last = Some(found.len());
                found.push(piece);
            }
        }
    }
    found
}

/// Joins a middle piece with those before and behind it, across white space, where both are `valid`; a joined one can
/// be the piece before the next middle.
fn between<'f>(
    filter: &'f str,
    pieces: Vec<Piece<'f>>,
    kind: Kind,
    is_middle: impl Fn(&Piece<'f>) -> bool,
    valid: impl Fn(&Piece<'f>) -> bool,
) -> Vec<Piece<'f>> {
    let mut found: Vec<Piece<'f>> = Vec::with_capacity(pieces.len());
    let mut last: Option<usize> = None;
    let mut pieces = pieces.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        if piece.kind == Kind::Space {
            found.push(piece);
            continue;
        }
        let before = last.filter(|place| is_middle(&piece) && valid(&found[*place]));
        let Some(place) = before else {
            last = Some(found.len());
            found.push(piece);
            continue;
        };
        let mut spaces = Vec::new();
        while let Some(space) = pieces.next_if(|it| it.kind == Kind::Space) {
            spaces.push(space);
        }
        if let Some(next) = pieces.next_if(&valid) {
            let mut whole = joined(filter, kind, &found[place], &next);
            let before = found[place].clone();
            found.truncate(place);
            if kind == Kind::Comparison {
                whole.parts = vec![before, piece, next];
            }
            last = Some(found.len());
            found.push(whole);
        } else {
            last = Some(found.len());
            found.push(piece);
            found.extend(spaces);
        }
    }
    found
}

/// Joins `name.key`; what stands behind the point may be no name, and then the point alone is joined.
fn members<'f>(filter: &'f str, pieces: Vec<Piece<'f>>) -> Vec<Piece<'f>> {
    let mut found: Vec<Piece<'f>> = Vec::with_capacity(pieces.len());
    let mut last: Option<usize> = None;
    let mut pieces = pieces.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        if piece.kind == Kind::Space {
            found.push(piece);
            continue;
        }
        let is_joint = piece.is_mark(".") || (piece.kind == Kind::Operator && matches!(piece.text, "->" | "->>"));
        let before =
            last.filter(|place| is_joint && (found[*place].is_name() || found[*place].kind == Kind::Identifier));
        let Some(place) = before else {
            last = Some(found.len());
            found.push(piece);
            continue;
        };
        let mut spaces = Vec::new();
        while let Some(space) = pieces.next_if(|it| it.kind == Kind::Space) {
            spaces.push(space);
        }
        let is_key = |it: &Piece<'_>| it.is_name() || matches!(it.kind, Kind::Function | Kind::Wildcard | Kind::Text);
        let key = pieces.next_if(is_key);
        let whole = joined(filter, Kind::Identifier, &found[place], key.as_ref().unwrap_or(&piece));
        found.truncate(place);
        last = Some(place);
        found.push(whole);
        if key.is_none() {
            found.extend(spaces);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::lexer::tokens;

    #[test]
    fn tokens_are_put_together() {
        use Kind::{Comparison, Function, Identifier, Keyword, List, Operation, Parenthesis, Punctuation};
        let check = |filter: &str, expect: &[(Kind, &str)]| {
            let pieces = group(filter, &tokens(filter));
            let found: Vec<_> =
                pieces.iter().filter(|it| it.kind != Kind::Space).map(|it| (it.kind, it.text)).collect();
            assert_eq!(found, expect, "{filter}");
        };
        check(
            "metrics.a.`b c` > 1 AND x = 'y'",
            &[(Comparison, "metrics.a.`b c` > 1"), (Keyword, "AND"), (Comparison, "x = 'y'")],
        );
        check("a IN ('x', (1))", &[(Identifier, "a"), (Keyword, "IN"), (Parenthesis, "('x', (1))")]);
        check("a desc b", &[(Identifier, "a desc b")]);
        check("a b c d", &[(Identifier, "a b"), (Identifier, "c d")]);
        check("f (x).y + 1 , 2", &[(Function, "f (x)"), (Punctuation, "."), (List, "y + 1 , 2")]);
        check("a. = 1", &[(Comparison, "a. = 1")]);
        check("a - b > 2", &[(Comparison, "a - b > 2")]);
        check("a - b", &[(Operation, "a - b")]);
        check("f(x)", &[(Function, "f(x)")]);
        check(") (", &[(Punctuation, ")"), (Punctuation, "(")]);
    }
}
