//! Chat templates: the Jinja text inside a model file that turns a conversation into the prompt it was trained on.

mod json;

use std::sync::Arc;

use llm::{Content, Message, Role};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, context};

/// Steps that a template may take. The largest real ones take some hundred per message; a file from the network must
/// not keep a request busy for ever.
const STEPS_MAX: u64 = 5_000_000;

/// A model's chat template.
#[derive(Clone)]
pub(crate) struct ChatTemplate {
    source: Arc<str>,
    start: Option<String>,
    end: Option<String>,
}

impl ChatTemplate {
    /// A template that parses; `start` and `end` are the texts of those special tokens.
    pub(crate) fn new(source: &str, start: Option<&str>, end: Option<&str>) -> Result<Self, String> {
        let template = Self { source: source.into(), start: start.map(str::to_owned), end: end.map(str::to_owned) };
        environment().template_from_str(source).map_err(|error| error.to_string())?;
        Ok(template)
    }

    /// The prompt that makes the model answer these messages.
    pub(crate) fn render(&self, messages: &[Message]) -> llm::Result<String> {
        let turns = messages.iter().enumerate().map(|(index, it)| turn(index, it)).collect::<llm::Result<Vec<_>>>()?;
        let environment = environment();
        let rendered = environment.template_from_str(&self.source).and_then(|template| {
            template.render(context! {
                messages => turns,
                add_generation_prompt => true,
                bos_token => self.start.clone(),
                eos_token => self.end.clone(),
            })
        });
        rendered.map_err(|error| {
            let words = error.detail().unwrap_or("it could not be rendered");
            llm::Error::invalid("messages", format!("the model's chat template refuses these messages: {words}"))
        })
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the usual delimiters are sound"));
    environment.set_fuel(Some(STEPS_MAX));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", json::to_json);
    environment.add_function("raise_exception", |words: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, words))
    });
    environment.add_function("strftime_now", |format: &str| strftime_now(format));
    environment
}

fn turn(index: usize, message: &Message) -> llm::Result<Value> {
    let refuse = |field: &str, what: &str| {
        let field = format!("messages[{index}].{field}");
        let message = format!("`{field}`: local models do not take {what}; leave it out or ask a remote endpoint");
        Err(llm::Error::invalid(field, message))
    };
    let role = match &message.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => return refuse("role", "the results of tools"),
        Role::Other(other) => return refuse("role", &format!("turns of the role `{other}`")),
    };
    if !message.tool_calls.is_empty() {
        return refuse("tool_calls", "the calls of tools");
    }
    match &message.content {
        None => return refuse("content", "turns without text"),
        Some(Content::Text(_)) => {}
        Some(Content::Parts(parts)) => {
            if let Some(other) = parts.iter().find(|it| it.kind != "text") {
                return refuse("content", &format!("parts of the type `{}`, only `text`", other.kind));
            }
        }
    }
    Ok(context! { role => role, content => message.text() })
}

/// Templates print today's date with it; the formats in use are `%d %b %Y` and the like.
fn strftime_now(format: &str) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let seconds = llm::unix_seconds();
    let (year, month, day) = date(seconds / 86_400);
    let name = MONTHS[month - 1];
    let clock = seconds % 86_400;
    let mut out = format.to_owned();
    for (code, value) in [
        ("%Y", year.to_string()),
        ("%m", format!("{month:02}")),
        ("%d", format!("{day:02}")),
        ("%B", name.to_owned()),
        ("%b", name[..3].to_owned()),
        ("%H", format!("{:02}", clock / 3600)),
        ("%M", format!("{:02}", clock / 60 % 60)),
        ("%S", format!("{:02}", clock % 60)),
    ] {
        out = out.replace(code, &value);
    }
    out
}

/// Year, month and day (UTC) of a day since the epoch.
fn date(mut days: u64) -> (u64, usize, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(source: &str, messages: serde_json::Value) -> Result<String, String> {
        let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
        ChatTemplate::new(source, Some("<s>"), Some("</s>"))?.render(&messages).map_err(|error| error.to_string())
    }

    #[test]
    fn templates_render_as_in_python() {
        let chat = json!([{"role": "developer", "content": "Be kind."}, {"role": "user", "content": [{"type": "text", "text": " Hi "}]}]);
        let check = |source: &str, expected: &str| {
            assert_eq!(render(source, chat.clone()).as_deref(), Ok(expected), "{source}");
        };
        check(
            "{{ bos_token }}{% for m in messages %}\n  {% if m.role == 'user' %}\n[{{ m['content'].strip() }}]\n  {% endif %}\n{% endfor %}{{ eos_token }}",
            "<s>[Hi]\n</s>",
        );
        check(
            "{% for m in messages[::-1] %}{{ m.role }}{% if loop.first %}{% continue %}{% endif %}!{% endfor %}",
            "usersystem!",
        );
        check("{{ messages[0] | tojson }}", r#"{"role": "system", "content": "Be kind."}"#);
        check("{% if add_generation_prompt and tools is not defined %}go{% endif %}", "go");
    }

    #[test]
    fn refusals_say_which_message_and_why() {
        let check = |source: &str, messages: serde_json::Value, expected: &str| {
            let error = render(source, messages).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        let user = json!([{"role": "user", "content": "x"}]);
        check("{{ raise_exception('roles must alternate') }}", user.clone(), "roles must alternate");
        check("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", user.clone(), "refuses");
        check("{% for %}", user, "syntax error");
        check("x", json!([{"role": "tool", "content": "4"}]), "`messages[0].role`");
        check("x", json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]), "`image_url`");
    }

    #[test]
    fn days_become_dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_454), (2026, 1, 1));
    }
}
