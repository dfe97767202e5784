//! Addresses of database servers: `dialect+driver://user:password@host:port/database?option=value`.

use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::{Error, Result};

/// The parts of an address.
pub(crate) struct ServerUri {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) database: Option<String>,
    pub(crate) options: Vec<(String, String)>,
    /// The address as it may be shown: without password and options, which may hold one.
    pub(crate) shown: String,
}

impl ServerUri {
    /// Reads what follows `://`; user and password are percent-encoded, and end at the first `@`, as in SQLAlchemy.
    pub(crate) fn parse(scheme: &str, rest: &str) -> Result<Self> {
        let user_end = rest.find(['/', '?', ':', '@']);
        let (user, password, rest) = match user_end.map(|it| (it, &rest[it..=it])) {
            Some((end, "@")) => (Some(&rest[..end]), None, &rest[end + 1..]),
            Some((end, ":")) => match rest[end..].find('@') {
                Some(at) => (Some(&rest[..end]), Some(&rest[end + 1..end + at]), &rest[end + at + 1..]),
                None => (None, None, rest),
            },
            _ => (None, None, rest),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match place.rsplit_once(':') {
            // The colons of a bare IPv6 address stand in brackets.
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (place, None),
        };
        let shown_user = user.map(|it| format!("{it}@")).unwrap_or_default();
        let shown = format!("{scheme}://{shown_user}{place}/{database}");
        let port = port.filter(|it| !it.is_empty()).map(|port| {
            port.parse().map_err(|_| Error::Uri(format!("`{port}` in the database address {shown} is no port")))
        });
        let text = |it: &str| Some(decoded(it)).filter(|it| !it.is_empty());
        let options = query.split('&').filter(|it| !it.is_empty()).map(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            (decoded(name), decoded(&value.replace('+', " ")))
        });
        Ok(Self {
            user: user.and_then(text),
            password: password.and_then(text),
            host: text(host.trim_start_matches('[').trim_end_matches(']')),
            port: port.transpose()?,
            database: text(database),
            options: options.collect(),
            shown,
        })
    }

    /// The number that an option has.
    pub(crate) fn number<T: FromStr>(&self, name: &str, value: &str) -> Result<T> {
        value.parse().map_err(|_| {
            Error::Uri(format!(
                "`{name}={value}` in the database address {} is not the number it should be",
                self.shown
            ))
        })
    }

    /// The error for an option that Tidegate does not know.
    pub(crate) fn unknown_option(&self, name: &str) -> Error {
        Error::Uri(format!("the option `{name}` of the database address {} is not one that Tidegate knows", self.shown))
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |rest: &str, expect: &str| {
            let uri = ServerUri::parse("postgresql", rest).unwrap();
            let (user, password, host) = (uri.user, uri.password, uri.host);
            let got = format!("{user:?} {password:?} {host:?} {:?} {:?} {:?}", uri.port, uri.database, uri.options);
            assert_eq!(got.replace("Some", "").replace("None", "-"), expect, "{rest}");
            assert!(!uri.shown.contains("secret"), "{}", uri.shown);
        };
        check("u:secret@h:1/d", r#"("u") ("secret") ("h") (1) ("d") []"#);
        check("u%40x:secret%2F%3a@h/d", r#"("u@x") ("secret/:") ("h") - ("d") []"#);
        check("u:secret/?@h/d", r#"("u") ("secret/?") ("h") - ("d") []"#);
        check("u@h", r#"("u") - ("h") - - []"#);
        check("h:1/d?a=b+c&d=%2F", r#"- - ("h") (1) ("d") [("a", "b c"), ("d", "/")]"#);
        check("/d?host=/run/x", r#"- - - - ("d") [("host", "/run/x")]"#);
        check("u:secret@[::1]:5/d", r#"("u") ("secret") ("::1") (5) ("d") []"#);
        assert!(ServerUri::parse("mysql", "h:x/d").is_err());
    }
}
